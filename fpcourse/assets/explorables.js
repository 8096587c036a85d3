(() => {
  "use strict";
  const root = document.currentScript.closest(".fp-explore");
  const find = (selector) => root.querySelector(selector);
  const { controls, play } = JSON.parse(root.dataset.config);
  const start = controls.map((control) => control.start);
  const played = controls.findIndex((control) => control.name === play);
  const form = find(".fp-controls");
  const figure = find(".fp-view");
  let state = [...start];
  let frames = null;
  let timer = null;

  const unpack = async () => {
    const packed = atob(find(".fp-frames").textContent);
    const bytes = Uint8Array.from(packed, (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  };

  // The last control changes fastest, as in the order in which the frames were drawn.
  const frameNumber = () => state.reduce((number, at, i) => number * controls[i].texts.length + at, 0);

  const paint = () => {
    const number = frameNumber();
    find(".fp-frame").innerHTML = frames.frames[number].map((piece) => frames.pieces[piece]).join("");
    const caption = find("figcaption");
    if (caption.textContent !== frames.captions[number]) caption.textContent = frames.captions[number];
    find(".fp-values").textContent = JSON.stringify(frames.values[number]);
    controls.forEach((control, i) => {
      const slider = form.querySelector(`input[type=range][name="${control.name}"]`);
      if (slider) {
        slider.value = state[i];
        slider.setAttribute("aria-valuetext", control.texts[state[i]]);
        slider.nextElementSibling.textContent = control.texts[state[i]];
      } else {
        form.querySelector(`[data-name="${control.name}"] [value="${state[i]}"]`).checked = true;
      }
    });
  };

  // The address holds a piece for each explorable that is not at its start: #id?name=value&...;id?...
  const pieces = () => location.hash.slice(1).split(";").filter((piece) => piece.includes("?"));
  const ownPiece = () => pieces().find((piece) => piece.startsWith(`${root.id}?`));
  const writtenPiece = () => {
    const changed = controls.flatMap((control, i) =>
      state[i] === start[i] ? [] : [`${control.name}=${encodeURIComponent(control.texts[state[i]])}`]);
    return `${root.id}?${changed.join("&")}`;
  };
  const isStart = () => state.every((at, i) => at === start[i]);
  const writeAddress = () => {
    const others = pieces().filter((piece) => !piece.startsWith(`${root.id}?`));
    const all = isStart() ? others : [writtenPiece(), ...others];
    history.replaceState(history.state, "", location.href.split("#")[0] + (all.length ? `#${all.join(";")}` : ""));
  };
  const readAddress = () => {
    const given = new URLSearchParams(ownPiece()?.split("?")[1]);
    return controls.map((control, i) => {
      const at = control.texts.indexOf(given.get(control.name));
      return at < 0 ? start[i] : at;
    });
  };

  const set = (next) => {
    state = next;
    paint();
    writeAddress();
  };
  const step = (by) => {
    const last = controls[played].texts.length - 1;
    const at = Math.min(Math.max(state[played] + by, 0), last);
    if (at === state[played] || (by > 0 && at === last)) stop();
    if (at !== state[played]) set(state.with(played, at));
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    const button = find('[data-do="play"]');
    if (button) button.textContent = "Play";
  };
  const say = (text) => {
    find("[role=status]").textContent = text;
    setTimeout(() => { find("[role=status]").textContent = ""; }, 4000);
  };
  const actions = {
    back: () => step(-1),
    forward: () => step(1),
    play: () => {
      if (timer) return stop();
      if (state[played] === controls[played].texts.length - 1) set(state.with(played, 0));
      timer = setInterval(() => step(1), 1200);
      find('[data-do="play"]').textContent = "Pause";
    },
    reset: () => { stop(); uncover(); set([...start]); },
    copy: async () => {
      const others = pieces().filter((piece) => !piece.startsWith(`${root.id}?`));
      const link = `${location.href.split("#")[0]}#${[writtenPiece(), ...others].join(";")}`;
      try {
        await navigator.clipboard.writeText(link);
        say("Link copied.");
      } catch {
        say(link);
      }
    },
  };

  const cover = (covered) => {
    figure.classList.toggle("fp-covered", covered);
    figure.inert = covered;
    find(".fp-cover").hidden = !covered;
  };
  const uncover = () => {
    cover(false);
    root.querySelectorAll(".fp-try[data-open]").forEach((attempt) => {
      delete attempt.dataset.open;
      attempt.querySelector(".fp-guesses").hidden = true;
    });
  };
  const prepareTry = (attempt) => {
    const guesses = attempt.querySelector(".fp-guesses");
    const answer = attempt.querySelector(".fp-answer");
    const buttons = guesses.querySelectorAll("button");
    buttons[buttons.length - 1].hidden = false;
    guesses.hidden = answer.hidden = true;
    attempt.querySelector(".fp-try-link").addEventListener("click", (event) => {
      event.preventDefault();
      stop();
      uncover();
      attempt.dataset.open = "";
      guesses.hidden = false;
      answer.hidden = true;
      cover(true);
      set(JSON.parse(attempt.dataset.state));
      buttons[0].focus();
    });
    buttons.forEach((button) => button.addEventListener("click", () => {
      uncover();
      answer.hidden = false;
      answer.tabIndex = -1;
      answer.focus();
    }));
  };

  const begin = () => {
    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", (event) => {
      const name = event.target.name.replace(`${root.id}-`, "");
      stop();
      set(state.with(controls.findIndex((control) => control.name === name), Number(event.target.value)));
    });
    form.addEventListener("click", (event) => actions[event.target.dataset.do]?.());
    root.querySelectorAll(".fp-try").forEach(prepareTry);
    addEventListener("hashchange", () => { if (ownPiece()) { state = readAddress(); paint(); } });
    state = readAddress();
    paint();
    if (pieces()[0]?.startsWith(`${root.id}?`)) root.scrollIntoView();
  };

  unpack().then((unpacked) => { frames = unpacked; begin(); }).catch((error) => {
    find(".fp-cover").textContent = "This browser cannot move the figure; it shows the start.";
    find(".fp-cover").hidden = false;
    console.warn("explorable not started", error);
  });
})();
