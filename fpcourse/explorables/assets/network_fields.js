// The tensors of the pass as fields of cells on a canvas: patients are rows, units are columns.
// `base` has the cells; `cover`, over it, the chosen cell with what it was made from, and the names.
const networkFields = (root, network) => {
  const base = document.createElement("canvas");
  const cover = Object.assign(document.createElement("canvas"), { tabIndex: 0, role: "img" });
  const element = Object.assign(document.createElement("div"), { className: "fp-fields" });
  base.ariaHidden = true;
  element.append(base, cover);

  // ---- Colours: the tensor's own hue above 0, grey below, the ground at 0.
  const probe = Object.assign(document.createElement("span"), { hidden: true });
  root.append(probe);
  const pixel = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const rgb = (name) => {
    probe.style.color = `var(--fp-${name})`;
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = getComputedStyle(probe).color;
    pixel.fillRect(0, 0, 1, 1);
    return [...pixel.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  let colours = {};
  const css = (name, alpha = 1) => `rgb(${colours[name].join(" ")} / ${alpha})`;
  const shade = (call, number) => {
    const strength = Math.min(Math.abs(number) / 2, 1) ** 0.75;
    const full = colours[number > 0 ? networkHue(call) : "muted"];
    return colours.ground.map((ground, at) => Math.round(ground + (full[at] - ground) * strength));
  };

  // ---- Where each field lies. The chosen patient's row is high, the others are thin; on a phone only the chosen call
  // and what it reads are high at all.
  let places = [];
  let narrow = false;
  const lay = () => {
    narrow = element.clientWidth < 560;
    const [left, right] = narrow ? [2, 4] : [150, 68];
    const width = element.clientWidth - left - right;
    const open = Math.max(network.call, 1);
    let top = narrow ? 16 : 6;
    places = CALLS.map((_, call) => {
      const units = network.pass.tensors[call][0].length;
      const near = !narrow || call === open || call === open - 1;
      const full = narrow ? (near ? 34 : 10) : 38;
      const high = near ? 14 : 4;
      const cell = units === 1 ? Math.max(width / 12, 24) : width / (units === 20 ? 40 : units === 32 ? 48 : 64);
      const place = { left: left + (width - cell * units) / 2, top, cell, units, high, thin: (full - high) / 15 };
      top += full + (narrow ? 17 : 7);
      return place;
    });
    const ratio = devicePixelRatio || 1;
    for (const canvas of [base, cover]) {
      canvas.width = element.clientWidth * ratio;
      canvas.height = top * ratio;
      canvas.style.height = `${top}px`;
      canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    element.style.height = `${top}px`;
  };
  const rowTop = ({ top, thin, high }, patient) => top + patient * thin + (patient > network.patient ? high - thin : 0);
  const rowHeight = ({ high, thin }, patient) => (patient === network.patient ? high : thin);
  const heightOf = ({ thin, high }) => (network.n - 1) * thin + high;

  const image = document.createElement("canvas");
  const paintCells = (playing) => {
    const g = base.getContext("2d");
    g.clearRect(0, 0, base.width, base.height);
    g.imageSmoothingEnabled = false;
    places.forEach((place, call) => {
      const { left, top, cell, units } = place;
      Object.assign(image, { width: units, height: network.n });
      const pixels = new ImageData(units, network.n);
      network.pass.tensors[call].forEach((row, patient) => row.forEach((number, unit) =>
        pixels.data.set([...shade(call, number), 255], 4 * (patient * units + unit))));
      image.getContext("2d").putImageData(pixels, 0, 0);
      g.globalAlpha = playing && call > network.call ? 0.12 : 1;
      for (let patient = 0; patient < network.n; patient += 1) {
        g.drawImage(image, 0, patient, units, 1, left, rowTop(place, patient), cell * units, rowHeight(place, patient));
      }
      g.strokeStyle = css("muted");
      g.lineWidth = 0.6;
      g.strokeRect(left - 0.5, top - 0.5, cell * units + 1, heightOf(place) + 1);
    });
  };

  // ---- What the chosen cell was made from: a row, a column, or one cell.
  const drawBox = (g, place, unit, top, width, height) =>
    g.strokeRect(place.left + unit * place.cell - 1, top - 1, width * place.cell + 2, height + 2);
  const paintThreads = (g, x, y) => {
    const source = places[network.call - 1];
    const terms = network.terms();
    const largest = Math.max(...terms.map(({ product }) => Math.abs(product)));
    const bottom = rowTop(source, network.patient) + source.high;
    terms.forEach(({ at, product }) => {
      const size = Math.abs(product) / largest;
      if (size < 0.02) return;
      const from = source.left + (at + 0.5) * source.cell;
      g.strokeStyle = css(product > 0 ? networkHue(network.call) : "muted", 0.25 + 0.75 * size);
      g.setLineDash(product > 0 ? [] : [4, 3]);
      g.lineWidth = 0.6 + 3 * size;
      g.beginPath();
      g.moveTo(from, bottom);
      g.bezierCurveTo(from, (bottom + y) / 2 + 8, x, (bottom + y) / 2 - 8, x, y - 2);
      g.stroke();
    });
    g.setLineDash([]);
  };
  const paintSource = (g, x, y) => {
    const source = places[network.call - 1];
    const row = rowTop(source, network.patient);
    if (network.kind === "linear") paintThreads(g, x, y);
    g.strokeStyle = css("ink");
    g.lineWidth = 1.3;
    if (network.kind === "linear") return drawBox(g, source, 0, row, source.units, source.high);
    const [top, height] = network.readsColumn ? [source.top, heightOf(source)] : [row, source.high];
    drawBox(g, source, network.unit, top, 1, height);
    g.beginPath();
    g.moveTo(x, top + height + 1);
    g.lineTo(x, y - 2);
    g.stroke();
  };
  const paintEdits = (g) => {
    g.strokeStyle = css("batch");
    g.lineWidth = 1.5;
    const [place] = places;
    for (const [patient, facts] of Object.entries(network.edits).filter(([patient]) => patient < network.n)) {
      Object.keys(facts).forEach((name) => drawBox(g, place, network.facts.findIndex((fact) => fact.name === name),
        rowTop(place, Number(patient)), 1, rowHeight(place, Number(patient))));
    }
  };
  const paintNames = (g) => {
    const family = getComputedStyle(root).fontFamily;
    const write = (text, x, y, isChosen, bold = isChosen) => {
      g.font = `${bold ? "600 " : ""}${narrow ? 11 : 12.5}px ${family}`;
      g.fillStyle = css(isChosen ? "ink" : "muted");
      g.strokeText(text, x, y); // in the ground's colour: a thread may pass behind a name
      g.fillText(text, x, y);
    };
    g.strokeStyle = css("ground", 0.85);
    g.lineWidth = 3;
    g.lineJoin = "round";
    g.textBaseline = "middle";
    places.forEach(({ left, top, units }, call) => {
      const { name, words } = CALLS[call];
      const said = name === "drop" && network.trains ? "some left out" : words;
      const isChosen = call === network.call;
      g.textAlign = "left";
      if (narrow) return write(`${said} · ${name}`, left < 40 ? left : 2, top - 8, isChosen);
      write(said, 0, top + 11, isChosen, false);
      write(name, 0, top + 27, isChosen);
      g.textAlign = "right";
      write(`(${network.n}, ${units})`, element.clientWidth - 8, top + 19, false, isChosen);
    });
  };
  // Under a finger: the chosen cell and its neighbours, enlarged above it.
  const paintLoupe = (g) => {
    const { left, cell, units } = places[network.call];
    const size = 24;
    const around = [-3, -2, -1, 0, 1, 2, 3].map((by) => network.unit + by);
    const x = within(left + (network.unit + 0.5) * cell - 3.5 * size, 2, element.clientWidth - 7 * size - 2);
    const y = Math.max(rowTop(places[network.call], network.patient) - 2.6 * size, 2);
    g.fillStyle = css("ground");
    g.fillRect(x - 2, y - 2, 7 * size + 4, size + 4);
    around.forEach((unit, at) => {
      if (unit < 0 || unit >= units) return;
      g.fillStyle = `rgb(${shade(network.call, network.value({ unit })).join(" ")})`;
      g.fillRect(x + at * size, y, size, size);
    });
    g.strokeStyle = css("ink");
    g.lineWidth = 1;
    g.strokeRect(x - 2, y - 2, 7 * size + 4, size + 4);
    g.lineWidth = 2;
    g.strokeRect(x + 3 * size, y, size, size);
  };

  let painted = "";
  const paint = ({ playing = false, touched = false } = {}) => {
    const now = JSON.stringify([network.key, network.patient, network.call, playing, element.clientWidth, colours]);
    if (now !== painted) {
      painted = now;
      // On a wide window where a field lies depends on the width alone.
      if (narrow || !places.length || base.width !== Math.floor(element.clientWidth * (devicePixelRatio || 1))) lay();
      paintCells(playing);
    }
    const g = cover.getContext("2d");
    g.clearRect(0, 0, cover.width, cover.height);
    const place = places[network.call];
    const y = rowTop(place, network.patient);
    g.strokeStyle = css("ink");
    g.lineWidth = 2;
    drawBox(g, place, network.unit, y, 1, place.high);
    paintEdits(g);
    if (network.call) paintSource(g, place.left + (network.unit + 0.5) * place.cell, y);
    paintNames(g);
    if (touched) paintLoupe(g);
  };
  return {
    element,
    cover,
    paint,
    readColours() {
      colours = Object.fromEntries(["ground", "features", "hidden", "output", "muted", "batch", "ink"].map((name) => [name, rgb(name)]));
    },
    // The cell at a place of the window; of the call that is given, the nearest.
    cellAt({ clientX, clientY }, held = null) {
      const box = cover.getBoundingClientRect();
      const [x, y] = [clientX - box.left, clientY - box.top];
      const call = held ?? places.findIndex((place) => y >= place.top - 6 && y <= place.top + heightOf(place) + 6);
      if (call < 0) return null;
      const unit = Math.floor((x - places[call].left) / places[call].cell);
      if (held !== null) return { call, unit: within(unit, 0, places[call].units - 1) };
      const patient = [...Array(network.n).keys()].findLast((row) => rowTop(places[call], row) <= y) ?? 0;
      return unit >= 0 && unit < places[call].units ? { call, unit, patient } : null;
    },
  };
};
const networkHue = (call) => (call === 0 ? "features" : call === LOGIT ? "output" : "hidden");
