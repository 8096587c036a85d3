// The start page's figure: the whole pass as fields of cells, which a reader points at, moves and asks.
const openNetwork = async (root) => {
  const data = await fpcoursePacked.read(root.querySelector(".fp-packed"));
  const network = new NetworkState(data);
  const fields = networkFields(root, network);
  const { cover } = fields;
  const view = { playing: null, pinned: false, hovered: false, touched: false };

  // ---- The controls.
  const make = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const button = (textContent, onclick) => make("button", { type: "button", textContent, onclick });
  const choice = (name, words) => {
    const buttons = OPTIONS[name].map((option, at) => button(words[at], () => set({ [name]: option })));
    return { element: make("span", { className: "fp-choice", role: "group", ariaLabel: name }, ...buttons),
      show: () => buttons.forEach((each, at) => { each.ariaPressed = OPTIONS[name][at] === network[name]; }) };
  };
  const slider = (name, label, low, high, text) => {
    const input = make("input", { type: "range", min: low, oninput: () => { view.pinned = false; set({ [name]: Number(input.value) }); } });
    const output = make("output");
    return { element: make("label", {}, make("b", { textContent: label }), input, output), show: () => {
      Object.assign(input, { max: high(), value: network[name] });
      output.textContent = text();
      input.setAttribute("aria-valuetext", text());
    } };
  };
  const weights = choice("weights", ["learned", "random"]);
  const mode = choice("mode", ["model.eval()", "model.train()"]);
  const patient = slider("patient", "patient", 0, () => network.n - 1, () => `${network.patient}`);
  const batch = slider("n", "batch", 2, () => network.own.length, () => `${network.n}`);
  const step = slider("call", "step", 0, () => LOGIT, () => network.name);
  const cell = slider("unit", "cell", 0, () => network.lastUnit, () => network.unitName());
  const again = button("Call again", () => set({ mask: (network.mask + 1) % network.masks.length }));
  const play = button("Play", () => (view.playing ? halt() : start()));
  const fact = make("input", { type: "range", oninput: () => { network.edit(Number(fact.value)); update(); } }); // stays while it is dragged
  const factRow = make("label", { className: "fp-fact" }, "Move it", fact);

  // ---- The page of it.
  const title = make("div");
  const [story, risk] = ["fp-story", "fp-risk"].map((className) => make("div", { className }));
  const card = make("div", { className: "fp-card fp-lead", role: "group", ariaLabel: "Question" });
  const code = make("span", { className: "fp-code" });
  const hint = make("div", { className: "fp-hint", role: "status" });
  const said = make("div", { className: "fp-said", role: "status" });
  const reopen = button("Questions", () => { toggleCard(true); ask(); });
  const putBack = button("Put them back", () => { network.restore(); set({}); cover.focus(); });
  const bar = (className, ...parts) => make("form", { className: `fp-bar ${className}`, autocomplete: "off", onsubmit: () => false }, ...parts);
  const stage = make("div", { className: "fp-hands" }, card,
    bar("", make("span", {}, make("b", { textContent: "weights " }), weights.element), patient.element, batch.element,
      make("span", { className: "fp-mode" }, mode.element, again)),
    hint,
    make("div", { className: "fp-body" }, fields.element, bar("fp-foot", play, step.element, cell.element, code, reopen),
      make("div", { className: "fp-inspector" }, risk, title, factRow, story)),
    said);

  // ---- What it shows.
  const showHint = () => {
    const moved = network.moves === 1 ? "Moved once" : `Moved ${network.moves} times`;
    const text = network.moves ? `${moved}: bn1 and bn2 no longer have the numbers that came with them. `
      : network.trains ? "Nothing is learned here; layers act as they do during learning." : "";
    hint.hidden = !text;
    if (hint.dataset.text !== text) hint.replaceChildren(text, ...(network.moves ? [putBack] : []));
    hint.dataset.text = text;
  };
  const showFact = () => {
    factRow.hidden = network.kind !== "input";
    if (factRow.hidden) return;
    const { name, low, high, step: by } = network.fact;
    Object.assign(fact, { min: low, max: high, step: by, ariaLabel: network.unitName() });
    fact.value = network.rawOf(name);
  };
  const showRisk = () => {
    const mark = (_, each) => `<i style="left:${(100 * network.risk(each)).toFixed(2)}%"${each === network.patient ? ' class="fp-own"' : ""}></i>`;
    risk.innerHTML = `<span>patient ${network.patient}’s risk <b>${shown(network.risk())}</b>
      ${unlessSame(network.risk(), network.risk(network.patient, network.unedited))}</span>
      <span class="fp-scale" aria-hidden="true">${network.raw.map(mark).join("")}</span>
      <span class="fp-ends" aria-hidden="true"><span>0</span><span>1</span></span>`;
  };
  // The calls between two Linears handle the same unit.
  const chain = () => {
    const calls = [[1, 2, 3, 4], [5, 6, 7]].find((between) => between.includes(network.call)) ?? [];
    const link = (call) => `<button type="button" data-call="${call}" aria-current="${call === network.call}">${CALLS[call].name} ${shown(network.value({ call }))}</button>`;
    return calls.length ? `<p class="fp-chain">${calls.map(link).join(" ")}</p>` : "";
  };
  let telling = null;
  const tell = () => {
    clearTimeout(telling);
    telling = setTimeout(() => {
      const sentence = `${network.where}, patient ${network.patient}: ${shown(network.value())}. Risk ${shown(network.risk())}.`;
      said.textContent = network.kind === "linear" ? `${sentence} Largest product: ${network.unitName(network.call - 1, network.largest().at)}.` : sentence;
    }, 350);
  };
  const draw = () => {
    fields.paint({ playing: Boolean(view.playing), touched: view.touched });
    [weights, patient, batch, mode, step, cell].forEach((control) => control.show());
    again.disabled = !network.trains;
    showHint();
    showRisk();
    const held = view.pinned ? " · held, Esc frees it" : view.hovered ? " · click holds it" : "";
    title.innerHTML = `<p class="fp-title">${network.where} <small>patient ${network.patient}${held}</small></p>${chain()}`;
    showFact();
    story.innerHTML = networkStories[network.kind](network);
    code.innerHTML = `<mark>${network.call ? data.code[network.call - 1] : "x"}</mark>${network.call < LOGIT ? ` <span>then ${data.code[network.call]}</span>` : ""}`;
    cover.ariaLabel = `The nine tensors of the pass. Arrow keys move between cells and steps. ${network.where}.`;
    tell();
  };

  // ---- Moving about. In the book the address holds the state; elsewhere the address is not the figure's.
  const ADDRESS = "#network?";
  const hasAddress = root.id === "network";
  let writing = null;
  const writeAddress = () => {
    clearTimeout(writing);
    if (!hasAddress) return;
    writing = setTimeout(() => history.replaceState(history.state, "", network.query ? ADDRESS + network.query : location.pathname + location.search), 200);
  };
  const update = () => { draw(); writeAddress(); };
  const set = (change) => { network.set(change); update(); };
  const afresh = (change = {}) => { network.restore(); set({ ...START, ...change }); };
  const halt = () => {
    clearInterval(view.playing);
    view.playing = null;
    play.textContent = "Play";
    draw();
  };
  const start = () => {
    view.pinned = false;
    view.playing = setInterval(() => (network.call === LOGIT ? halt() : set({ call: network.call + 1 })), 900);
    play.textContent = "Pause";
    set({ call: 0 });
  };
  const choose = (change, pinned = view.pinned) => {
    Object.assign(view, { pinned });
    if (view.playing) halt();
    set(change);
  };
  title.addEventListener("click", ({ target }) => {
    if (!target.dataset.call) return;
    set({ call: Number(target.dataset.call) });
    title.querySelector("[aria-current=true]").focus();
  });
  story.addEventListener("click", ({ target }) => {
    if (target.dataset.do === "restore") {
      network.edit(network.ownRaw);
      update();
      fact.focus();
    }
    if (target.dataset.do === "move") {
      network.leaveMoved();
      update();
      story.querySelector("[data-do=move]").focus();
    }
  });

  // A mouse points at what it comes to rest on, in the field where it is at once; a finger moves along one field.
  let resting = null;
  cover.addEventListener("pointermove", (event) => {
    clearTimeout(resting);
    const isMouse = event.pointerType === "mouse";
    if (isMouse ? view.pinned : !view.touched) return;
    const { call, unit } = fields.cellAt(event, isMouse ? null : network.call) ?? network;
    if (call === network.call && unit === network.unit) return;
    const point = () => { view.hovered = isMouse; choose({ call, unit }); };
    if (call === network.call) point();
    else resting = setTimeout(point, 40);
  });
  cover.addEventListener("pointerleave", () => clearTimeout(resting));
  cover.addEventListener("pointerdown", (event) => {
    clearTimeout(resting);
    const chosen = fields.cellAt(event);
    const isMouse = event.pointerType === "mouse";
    view.touched = Boolean(chosen) && !isMouse;
    choose(chosen ?? {}, Boolean(chosen) && isMouse);
  });
  ["pointerup", "pointercancel"].forEach((name) => cover.addEventListener(name, () => {
    if (!view.touched) return;
    view.touched = false;
    draw();
  }));
  cover.addEventListener("keydown", (event) => {
    const { unit, call, patient: row } = network;
    const steps = { ArrowLeft: { unit: unit - 1 }, ArrowRight: { unit: unit + 1 }, ArrowUp: { call: call - 1 }, ArrowDown: { call: call + 1 },
      PageUp: { patient: row - 1 }, PageDown: { patient: row + 1 }, Home: { unit: 0 }, End: { unit: network.lastUnit }, Enter: {} };
    if (!(event.key in steps)) return;
    event.preventDefault();
    choose(steps[event.key], view.pinned !== (event.key === "Enter"));
  });
  root.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape" || !view.pinned) return;
    view.pinned = false;
    draw();
  });

  // ---- Five questions lead through it.
  let number = 0;
  const toggleCard = (open) => {
    card.hidden = !open;
    reopen.hidden = open;
  };
  const ask = () => {
    number %= data.cards.length;
    const { question, guesses } = data.cards[number];
    card.replaceChildren(make("p", {}, make("b", { textContent: `${number + 1} of ${data.cards.length} ` }), question),
      make("div", { className: "fp-guesses" }, ...guesses.map((text) => button(text, () => answer(text)))));
  };
  const answer = (guess) => {
    const { state, answer: text, right } = data.cards[number];
    view.pinned = false;
    if (view.playing) halt();
    afresh(state);
    number += 1;
    const next = button("Next question", () => {
      afresh();
      ask();
      card.querySelector(".fp-guesses button").focus();
    });
    card.replaceChildren(make("p", { tabIndex: -1 }, make("b", { textContent: guess === right ? "Right. " : `You said “${guess}”. The answer: ` }), text),
      make("div", { className: "fp-guesses" }, ...(number < data.cards.length ? [next] : []), button("Close", () => { toggleCard(false); cover.focus(); })));
    card.querySelector("p").focus();
  };

  root.append(stage);
  root.classList.add("fp-live");
  toggleCard(true);
  ask();
  let width = 0;
  const repaint = () => {
    width = fields.element.clientWidth;
    fields.readColours();
    draw();
  };
  const isOurs = () => hasAddress && location.hash.startsWith(ADDRESS);
  if (isOurs()) network.read(location.hash.slice(ADDRESS.length));
  repaint();
  if (isOurs()) root.scrollIntoView();
  new ResizeObserver(() => { if (fields.element.clientWidth !== width) repaint(); }).observe(fields.element);
  const themes = new MutationObserver(repaint);
  themes.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  addEventListener("hashchange", () => {
    if (!hasAddress || (location.hash && !isOurs())) return;
    network.restore();
    network.read(location.hash.slice(ADDRESS.length));
    draw();
  });
};
document.querySelectorAll(".fp-network:not(.fp-live)").forEach((root) => openNetwork(root).catch((error) => {
  root.classList.add("fp-still"); // an old browser: the still picture stands
  console.warn("the figure does not move", error);
}));
