// What the figure says of the chosen cell, as HTML: by the kind of call that made it.
const shown = (number, digits = 3) => number.toFixed(digits).replace(/^-(0\.?0*)$/, "$1").replace("-", "−");
const plus = (number) => (number < 0 ? `− ${shown(-number)}` : `+ ${shown(number)}`);
const unlessSame = (now, before) => (shown(now) === shown(before) ? "" : `<small>was ${shown(before)}</small>`);
const drawing = (height, label, inner) => `<svg viewBox="0 0 288 ${height}" role="img" aria-label="${label}">${inner}</svg>`;
const note = (text) => `<p class="fp-note">${text}</p>`;
const big = (...parts) => `<p class="fp-big">${parts.join(" ")}</p>`;
const tableRow = (tag, ...cells) => `<tr>${cells.map((cell) => `<${tag}>${cell}</${tag}>`).join("")}</tr>`;

// The running sum from the bias to the result, a step a product.
const waterfall = (network, bias, terms) => {
  let sum = bias;
  const sums = [bias, ...terms.map(({ product }) => (sum += product))];
  const [low, high] = [Math.min(0, ...sums), Math.max(0, ...sums)];
  const y = (number) => 5 + (high - number) / (high - low || 1) * 70;
  const width = 288 / (sums.length + 1);
  const step = (at, from, to, fill) => `<rect x="${at * width}" width="${Math.max(width - 0.7, 1)}" y="${Math.min(y(from), y(to))}"
    height="${Math.max(Math.abs(y(from) - y(to)), 0.8)}" fill="var(--fp-${fill})"/>`;
  const steps = terms.map(({ product }, at) => step(at + 1, sums[at], sums[at + 1], product > 0 ? networkHue(network.call) : "muted"));
  return drawing(80, "the running sum, from the bias to the result",
    `<line x2="288" y1="${y(0)}" y2="${y(0)}" stroke="var(--fp-muted)" stroke-width=".7"/>${step(0, 0, bias, "ink")}${steps.join("")}`);
};
// Each patient's value of the unit, before and after; the widest reaches the edge.
const dots = (network, patients) => {
  const ends = (patient) => [network.call - 1, network.call].map((call) => network.value({ call, patient }));
  const scale = 138 / Math.max(2.3, ...patients.flatMap(ends).map(Math.abs));
  const dot = (patient) => {
    const [before, after] = ends(patient).map((number) => 144 + number * scale);
    const isChosen = patient === network.patient;
    const fill = `var(--fp-${patient in network.edits ? "features" : isChosen ? "hidden" : "muted"})`;
    const circle = (x, y) => `<circle cx="${x}" cy="${y}" r="${isChosen ? 5 : 3}" fill="${fill}"/>`;
    return `<line x1="${before}" y1="14" x2="${after}" y2="62" stroke="${fill}" stroke-width="${isChosen ? 2 : 0.5}"/>${circle(before, 14)}${circle(after, 62)}`;
  };
  const chosenOnTop = [...patients].sort((a, b) => (a === network.patient) - (b === network.patient));
  return drawing(70, "the unit’s values before and after",
    `<line x1="144" x2="144" y1="4" y2="68" stroke="var(--fp-muted)" stroke-dasharray="2 3"/>${chosenOnTop.map(dot).join("")}`);
};
const hinge = (before) => {
  const scale = 60 * Math.min(1, 2 / Math.abs(before));
  return drawing(80, "the hinge of relu, and where this value lies on it", `<path d="M8 70H144L264 10" fill="none" stroke="var(--fp-hidden)"
    stroke-width="2.5"/><circle cx="${144 + before * scale}" cy="${70 - Math.max(before, 0) * scale / 2}" r="6" fill="var(--fp-features)"/>`);
};

const networkStories = {
  input(network) {
    const { name, unit, mean, std } = network.fact;
    const raw = network.rawOf(name);
    const impossible = network.implies.find((pair) => pair.includes(name) && network.rawOf(pair[0]) > network.rawOf(pair[1]));
    return `${big(raw, `<small>${unit === "0/1" ? (raw ? "yes" : "no") : unit}</small>`)}
      ${raw === network.ownRaw ? "" : `<p>It was ${network.ownRaw}. <button type="button" data-do="restore">Put it back</button></p>`}
      <p>Into the network goes (${raw} − ${mean.toPrecision(4)}) / ${std.toPrecision(4)} = <b>${shown(network.value())}</b>: how far from the average, in standard deviations.</p>
      ${impossible ? `<p>No patient is like this: ${impossible.join(" comes only with ").replaceAll("_", " ")}.</p>` : ""}
      ${note("You ask the model, perhaps far from any patient it has learned from. The order of the columns means nothing.")}`;
  },
  linear(network) {
    const terms = network.terms();
    const bias = network.net[network.name].bias[network.unit];
    const isMoved = ({ at }) => network.call === 1 && network.isEdited(at);
    const bySize = network.termsBySize();
    const [named, others] = [bySize.filter(isMoved), bySize.filter((term) => !isMoved(term))];
    const room = Math.max(4 - named.length, 0);
    named.push(...others.splice(0, room));
    const rest = others.reduce((sum, { product }) => sum + product, 0);
    const row = ({ at, input, weight, product }) => tableRow("td", network.unitName(network.call - 1, at) + (isMoved({ at }) ? " (moved)" : ""),
      shown(input, 2), shown(weight, 2), shown(product));
    const result = shown(network.value());
    return `${big(result, unlessSame(network.value(), network.value({ pass: network.unedited })) || `<small>= ${terms.length} products and a bias</small>`)}
      ${waterfall(network, bias, terms)}
      <table>${tableRow("th", "from", "value", "weight", "product")}${named.map(row).join("")}
      ${tableRow("td", `${others.length} more`, "", "", shown(rest))}${tableRow("td", "bias", "", "", shown(bias))}${tableRow("td", "<b>sum</b>", "", "", `<b>${result}</b>`)}</table>
      ${network.call === LOGIT ? `<p>The logit. A sigmoid makes it the risk, <b>${shown(network.risk())}</b>.</p>` : ""}
      ${note("A large product doesn’t make a fact a cause, or important.")}`;
  },
  norm(network) {
    const { name, unit, trains, input, n } = network;
    const stored = network.net[name];
    const batch = network.pass[name === "bn1" ? "batch1" : "batch2"];
    const { mean, variance } = trains ? batch : stored;
    const origin = network.moves ? "as you left them" : network.weights === "random" ? "0 and 1, as they were made" : "kept from training";
    const result = shown(network.value());
    return `${big(shown(input), "→", result)}
      <p>${trains ? `Reads down the column: this unit for all <b>${n} patients</b> of the batch.` : `Reads no other patient: a <b>stored mean and variance</b>, ${origin}.`}</p>
      ${dots(network, trains ? [...Array(n).keys()] : [network.patient])}
      <p>(${shown(input)} ${plus(-mean[unit])}) / √(${shown(variance[unit])} + 0.00001)<br>× ${shown(stored.weight[unit])} ${plus(stored.bias[unit])} = <b>${result}</b></p>
      ${trains ? `<p>The call would leave this unit’s stored mean moved by <b>${shown(0.1 * (batch.mean[unit] - stored.mean[unit]))}</b>. <button type="button" data-do="move">Leave all moved</button></p>` : ""}`;
  },
  relu(network) {
    const row = network.pass.tensors[network.call][network.patient];
    return `${big(shown(network.input), "→", shown(network.value()))}
      <p>${network.input > 0 ? "Above 0: it passes." : "Not above 0: it becomes 0, and adds nothing to any sum of the next layer."}</p>
      ${hinge(network.input)}
      <p>${row.filter((number) => number === 0).length} of this patient’s ${row.length} cells are off.</p>`;
  },
  drop(network) {
    const { input, mask, masks, patient, unit } = network;
    const inTrainMode = !masks[mask][patient][unit] ? `The draw left it out${input ? "" : "; it was 0 already"}.`
      : input ? "Kept, and divided by 0.7, the share that is kept on average." : "Kept, and 0 as before.";
    return `${big(shown(input), "→", shown(network.value()))}
      <p>${network.trains ? `${inTrainMode}</p><p>Draw ${mask + 1} of ${masks.length}. “Call again” takes the next.` : "In eval mode dropout hands everything on."}</p>`;
  },
};
