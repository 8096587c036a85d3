// What the start page's figure shows: what is chosen and changed, the numbers that were shipped, and the pass on them.
const CALLS = [["input", "facts", "input"], ["layer1", "weighted sums", "linear"], ["bn1", "shifted, scaled", "norm"],
  ["relu:1", "cut at 0", "relu"], ["drop", "handed on", "drop"], ["layer2", "weighted sums", "linear"],
  ["bn2", "shifted, scaled", "norm"], ["relu:2", "cut at 0", "relu"], ["layer3", "weighted sum", "linear"],
].map(([name, words, kind]) => ({ name, words, kind }));
const LOGIT = CALLS.length - 1;
const START = { weights: "learned", mode: "eval", call: 0, unit: 0, patient: 0, n: 16, mask: 0, edits: {} };
const OPTIONS = { weights: ["learned", "random"], mode: ["eval", "train"] };

const within = (number, low, high) => Math.min(Math.max(number, low), high);
const rowsOf = (values, n) => Array.from({ length: values.length / n }, (_, at) => values.slice(at * n, (at + 1) * n));
const unpackedNetwork = (modules) => Object.fromEntries(Object.entries(modules).map(([name, tensors]) => {
  const module = Object.fromEntries(Object.entries(tensors).map(([key, text]) => [key, [...new Float32Array(fpcoursePacked.bytes(text).buffer)]]));
  if (!("mean" in module)) module.weight = rowsOf(module.weight, module.weight.length / module.bias.length);
  return [name, module];
}));

class NetworkState {
  constructor(data) {
    this.facts = data.facts;
    this.own = data.raw; // each patient's facts as they came
    this.implies = data.implies;
    this.shipped = Object.fromEntries(Object.entries(data.networks).map(([name, modules]) => [name, unpackedNetwork(modules)]));
    this.masks = data.masks.map((text) => rowsOf([...fpcoursePacked.bytes(text)].flatMap((byte) => [...byte.toString(2).padStart(8, "0")].map(Number)), 64));
    this.restore();
    this.set(START);
  }

  // ---- What a reader does.
  set(change) {
    // Across a Linear a unit has no counterpart; of what it was made from, the largest product leads back.
    const leadsBack = this.kind === "linear" && change.call === this.call - 1 && !("unit" in change);
    Object.assign(this, leadsBack ? { unit: this.largest().at } : {}, structuredClone(change));
    this.n = within(this.n, 2, this.own.length);
    this.patient = within(this.patient, 0, this.n - 1);
    this.call = within(this.call, 0, LOGIT);
    this.mask = within(this.mask, 0, this.masks.length - 1);
    this.run();
    this.unit = within(this.unit, 0, this.lastUnit);
  }
  edit(raw) {
    const { [this.fact.name]: _, ...others } = this.edits[this.patient] ?? {};
    const { [this.patient]: __, ...edits } = this.edits;
    const facts = raw === this.ownRaw ? others : { ...others, [this.fact.name]: raw };
    this.set({ edits: Object.keys(facts).length ? { ...edits, [this.patient]: facts } : edits });
  }
  leaveMoved() {
    const { bn1, bn2 } = this.net;
    this.networks[this.weights] = { ...this.net, moves: this.moves + 1, bn1: movedStatistics(bn1, this.pass.batch1, this.n),
      bn2: movedStatistics(bn2, this.pass.batch2, this.n) };
    this.run();
  }
  restore() {
    this.networks = { ...this.shipped };
  }

  // ---- The pass.
  run() {
    const key = JSON.stringify([this.weights, this.mode, this.n, this.mask, this.edits, this.moves]);
    if (key === this.key) return;
    this.key = key;
    const own = this.own.slice(0, this.n);
    this.raw = own.map((row, patient) => row.map((value, at) => this.edits[patient]?.[this.facts[at].name] ?? value));
    const standardised = (value, at) => Math.fround((value - this.facts[at].mean) / this.facts[at].std);
    const through = (rows) => forwardPass(this.net, rows.map((row) => row.map(standardised)), this.mode === "train", this.masks[this.mask]);
    this.pass = through(this.raw);
    this.unedited = Object.keys(this.edits).length ? through(own) : this.pass;
  }
  get net() { return this.networks[this.weights]; }
  get moves() { return this.net.moves ?? 0; } // how often its statistics were left moved
  get trains() { return this.mode === "train"; }
  get lastUnit() { return this.pass.tensors[this.call][0].length - 1; }
  value({ call = this.call, unit = this.unit, patient = this.patient, pass = this.pass } = {}) {
    return pass.tensors[call][patient][unit];
  }
  get input() { return this.value({ call: this.call - 1 }); } // of a call that reads one cell, or one unit
  risk(patient = this.patient, pass = this.pass) {
    return 1 / (1 + Math.exp(-this.value({ call: LOGIT, unit: 0, patient, pass })));
  }
  terms() {
    return this.net[this.name].weight[this.unit].map((weight, at) => {
      const input = this.value({ call: this.call - 1, unit: at });
      return { at, weight, input, product: weight * input };
    });
  }
  termsBySize() { return this.terms().sort((a, b) => Math.abs(b.product) - Math.abs(a.product)); }
  largest() { return this.termsBySize()[0]; }

  // ---- What is chosen.
  get name() { return CALLS[this.call].name; }
  get kind() { return CALLS[this.call]?.kind; }
  get readsColumn() { return this.kind === "norm" && this.trains; }
  get fact() { return this.facts[this.unit]; }
  get ownRaw() { return this.own[this.patient][this.unit]; }
  rawOf(name) { return this.raw[this.patient][this.facts.findIndex((fact) => fact.name === name)]; }
  isEdited(at) { return this.facts[at].name in (this.edits[this.patient] ?? {}); }
  unitName(call = this.call, unit = this.unit) { return call ? `unit ${unit}` : this.facts[unit].name.replaceAll("_", " "); }
  get where() { return `${this.name}, ${this.unitName()}`; }

  // ---- The state as a link holds it.
  get query() {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(START)) {
      if (name !== "edits" && this[name] !== value) query.set(name, this[name]);
    }
    for (const [patient, facts] of Object.entries(this.edits)) {
      Object.entries(facts).forEach(([fact, raw]) => query.append("edit", `${patient}.${fact}.${raw}`));
    }
    return `${query}`;
  }
  read(text) {
    const given = structuredClone(START);
    for (const [name, value] of new URLSearchParams(text)) {
      const [patient, fact, raw] = value.split(".");
      const { low, high, step } = this.facts.find((each) => each.name === fact) ?? {};
      if (name === "edit" && step && patient in this.own && raw) {
        (given.edits[patient] ??= {})[fact] = low + step * Math.round((within(Number(raw) || 0, low, high) - low) / step);
      }
      if (OPTIONS[name]?.includes(value)) given[name] = value;
      if (typeof START[name] === "number") given[name] = Number.parseInt(value, 10) || 0;
    }
    this.set(given);
  }
}
