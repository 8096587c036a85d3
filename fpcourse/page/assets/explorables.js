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
  let writing = null;
  let saying = null;

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
  // An explorable keeps its own piece in data-piece, since a link to a heading empties the address.
  const pieces = () => location.hash.slice(1).split(";").filter((piece) => piece.includes("?"));
  const given = (element) => pieces().find((piece) => piece.startsWith(`${element.id}?`));
  const ownPiece = () => {
    const changed = controls.flatMap((control, i) =>
      state[i] === start[i] ? [] : [`${control.name}=${encodeURIComponent(control.texts[state[i]])}`]);
    return changed.length ? `${root.id}?${changed.join("&")}` : "";
  };
  const address = (own) => {
    const others = [...document.querySelectorAll(".fp-explore")].filter((other) => other !== root);
    const all = [own, ...others.map((other) => other.dataset.piece ?? given(other))].filter(Boolean);
    return location.href.split("#")[0] + (all.length ? `#${all.join(";")}` : "");
  };
  // Browsers refuse more than some 100 writes in 10 seconds: write once the reader pauses.
  const writeAddress = () => {
    root.dataset.piece = ownPiece();
    clearTimeout(writing);
    writing = setTimeout(() => history.replaceState(history.state, "", address(ownPiece())), 150);
  };
  const readAddress = () => {
    const values = new URLSearchParams(given(root)?.split("?")[1]);
    state = controls.map((control, i) => {
      const at = control.texts.indexOf(values.get(control.name));
      return at < 0 ? start[i] : at;
    });
    root.dataset.piece = ownPiece();
    paint();
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
    clearTimeout(saying);
    find("[role=status]").textContent = text;
  };
  const actions = {
    back: () => { stop(); step(-1); },
    forward: () => { stop(); step(1); },
    play: () => {
      if (timer) return stop();
      if (state[played] === controls[played].texts.length - 1) set(state.with(played, 0));
      timer = setInterval(() => step(1), 1200);
      find('[data-do="play"]').textContent = "Pause";
    },
    reset: () => {
      stop();
      uncover();
      root.querySelectorAll(".fp-answer").forEach((answer) => { answer.hidden = true; });
      set([...start]);
    },
    copy: async () => {
      const link = address(ownPiece() || `${root.id}?`);
      try {
        await navigator.clipboard.writeText(link);
        say("Link copied.");
        saying = setTimeout(() => { find("[role=status]").textContent = ""; }, 4000);
      } catch {
        say(link);
      }
    },
  };

  const cover = (covered) => {
    figure.classList.toggle("fp-covered", covered);
    // The answer is about the state that the question set: nothing moves until it is given. Reset stays.
    [figure, ...form.querySelectorAll(".fp-control, [data-do=back], [data-do=forward], [data-do=play]")]
      .forEach((element) => { element.inert = covered; });
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
    figure.addEventListener("focusin", stop);
    addEventListener("hashchange", () => {
      if (!pieces().length) return;
      stop();
      uncover();
      readAddress();
    });
    readAddress();
    if (pieces()[0]?.startsWith(`${root.id}?`)) {
      root.closest("details")?.setAttribute("open", "");
      root.scrollIntoView();
    }
  };

  unpack().then((unpacked) => { frames = unpacked; begin(); }).catch((error) => {
    find(".fp-cover").textContent = "This browser cannot move the figure; it shows the start.";
    find(".fp-cover").hidden = false;
    console.warn("explorable not started", error);
  });
})();
