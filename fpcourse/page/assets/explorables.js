// Moves each explorable of a page. Loaded once, after the page's text.
document.querySelectorAll(".fp-explore").forEach((root) => {
  "use strict";
  const find = (selector) => root.querySelector(selector);
  const { controls, play } = JSON.parse(root.dataset.config);
  const start = controls.map((control) => control.start);
  const played = controls.findIndex((control) => control.name === play);
  const form = find(".fp-controls");
  const stage = find(".fp-stage");
  const figure = find(".fp-view");
  const card = find(".fp-card");
  let state = [...start];
  let frames = null; // they come after the page's text
  let timer = null;
  let writing = null;
  let saying = null;
  let tick = 1200;
  let opened = null; // the try whose card is open, and the state before

  // The last control changes fastest, as in the order in which the frames were drawn.
  const frameNumber = () => state.reduce((number, at, i) => number * controls[i].texts.length + at, 0);
  let painted = frameNumber(); // the start stands in the page

  const frameHtml = (number) => frames.frames[number].map((piece) => frames.pieces[piece]).join("");
  // As high as the frame, without what is drawn.
  const outline = (number) => frameHtml(number).replace(/(<svg[^>]*>).*?(?=<\/svg>)/gs, "$1");

  // Beside an error without a picture the one before stays, greyed, as it led there.
  const fill = (frame, html, before) => {
    frame.innerHTML = html;
    const now = frame.querySelector(".fp-picture");
    if (!now && before) {
      before.classList.add("fp-stale");
      before.setAttribute("aria-hidden", "true");
      frame.append(before);
    }
    return now;
  };
  // The picture before fades out over the new one.
  const fade = (before, place) => {
    stage.querySelectorAll(".fp-leaving").forEach((old) => old.remove());
    before.classList.add("fp-leaving");
    before.setAttribute("aria-hidden", "true");
    Object.assign(before.style, place);
    before.addEventListener("animationend", () => before.remove());
    stage.append(before);
  };

  // What the author named goes from where it was, or was going, to its place; what is new fades in.
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const named = (picture) => [...(picture?.querySelectorAll("[data-move]") ?? [])].map((element) => {
    const svg = element.ownerSVGElement;
    const [box, all] = [element, svg].map((part) => part.getBoundingClientRect());
    const unit = svg.viewBox.baseVal.width / all.width;
    const [x, y] = [box.x + box.width / 2 - all.x, box.y + box.height / 2 - all.y].map((length) => length * unit);
    return { element, names: element.dataset.move.split(" "), x, y };
  });
  const move = (olds, now) => named(now).forEach(({ element, names, x, y }) => {
    const old = names.map((name) => olds.find((past) => past.names[0] === name)).find(Boolean);
    if (old) old.element.style.visibility = "hidden";
    const change = old ? { transform: [`translate(${old.x - x}px, ${old.y - y}px)`, "none"] } : { opacity: [0, 1] };
    element.animate(change, { duration: 300, easing: "ease-in-out" });
  });

  const paintFrame = (number) => {
    const before = find(".fp-frame .fp-picture");
    const place = before && { left: `${before.offsetLeft}px`, top: `${before.offsetTop}px`, width: `${before.offsetWidth}px` };
    const across = before?.scrollLeft;
    const olds = still.matches ? [] : named(before);
    const now = fill(find(".fp-frame"), frameHtml(number), before);
    if (now && before && before.innerHTML !== now.innerHTML && !before.matches(".fp-stale")) {
      fade(before, place);
      if (!still.matches) move(olds, now);
      now.scrollLeft = before.scrollLeft = across; // on a phone, what the reader looks at stays in sight
    }
    const caption = find("figcaption");
    if (caption.textContent !== frames.captions[number]) caption.textContent = frames.captions[number];
    find(".fp-values").textContent = JSON.stringify(frames.values[number]);
    painted = number;
  };
  const paint = () => {
    if (frames && frameNumber() !== painted) paintFrame(frameNumber());
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
  // The reader moves the figure: it plays no longer, and an answer is about a state that has passed.
  const rest = () => { stop(); close(); };
  const say = (text) => {
    clearTimeout(saying);
    find("[role=status]").textContent = text;
  };
  const actions = {
    back: () => { rest(); step(-1); },
    forward: () => { rest(); step(1); },
    play: () => {
      if (timer) return stop();
      close();
      if (state[played] === controls[played].texts.length - 1) set(state.with(played, 0));
      timer = setInterval(() => step(1), tick);
      find('[data-do="play"]').textContent = "Pause";
    },
    speed: () => {
      stop();
      tick = tick === 1200 ? 2400 : 1200;
      find('[data-do="speed"]').textContent = tick === 1200 ? "Play more slowly" : "Play faster";
    },
    reset: () => { rest(); set([...start]); },
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

  // The question lies over the figure as it stands before; the answer beside the figure that proves it.
  const ask = (asking) => {
    stage.classList.toggle("fp-asking", asking);
    [figure, ...form.querySelectorAll(".fp-control, [data-do=back], [data-do=forward], [data-do=play]")]
      .forEach((element) => { element.inert = asking; });
  };
  const close = () => {
    ask(false);
    card.hidden = true;
    card.replaceChildren();
    opened = null;
  };
  const open = (attempt) => {
    const before = opened?.before ?? state;
    rest();
    opened = { attempt, before };
    const question = document.createElement("p");
    question.textContent = attempt.querySelector(".fp-question").textContent;
    const guesses = attempt.querySelector(".fp-guesses").cloneNode(true);
    guesses.hidden = false;
    guesses.querySelectorAll("button").forEach((button) => button.addEventListener("click", () => answer(button)));
    card.append(question, guesses);
    card.hidden = false;
    card.setAttribute("aria-label", question.textContent);
    ask(true);
    set([...start]);
    if (root.getBoundingClientRect().top < 0) root.scrollIntoView();
    guesses.querySelector("button").focus();
  };
  const answer = (button) => {
    const { attempt } = opened;
    ask(false);
    set(JSON.parse(attempt.dataset.state));
    const text = document.createElement("p");
    text.textContent = attempt.querySelector(".fp-answer").textContent;
    if (!("skip" in button.dataset)) {
      const guess = document.createElement("strong");
      guess.textContent = `You said: ${button.textContent}. `;
      text.prepend(guess);
    }
    const leave = document.createElement("button");
    leave.type = "button";
    leave.textContent = "Close";
    leave.addEventListener("click", () => dismiss());
    card.replaceChildren(text, leave);
    card.focus();
  };
  // Closed without an answer, the figure is as it was before the question.
  const dismiss = () => {
    const { attempt, before } = opened;
    if (stage.classList.contains("fp-asking")) set(before);
    close();
    attempt.querySelector(".fp-try-link").focus();
  };
  const prepareTry = (attempt) => {
    attempt.querySelector(".fp-answer").hidden = true;
    attempt.querySelector(".fp-try-link").addEventListener("click", (event) => {
      event.preventDefault();
      open(attempt);
    });
  };

  // What lies below the figure stays where it is: room for the tallest frame, measured when the page has time for it,
  // a few milliseconds each time, as they are more on a phone.
  const whenIdle = window.requestIdleCallback ?? ((work) => setTimeout(work, 50));
  let measuring = 0;
  const reserve = () => {
    const run = ++measuring; // of two, the later holds: the width has changed
    const twin = stage.cloneNode(true);
    Object.assign(twin.style, { position: "absolute", visibility: "hidden", minHeight: "0", width: `${stage.offsetWidth}px` });
    twin.querySelector(".fp-card").hidden = true;
    let tallest = 0;
    let number = 0;
    const measure = () => {
      if (run !== measuring) return;
      const end = performance.now() + 6;
      root.append(twin); // there for the length of this task alone
      do {
        fill(twin.querySelector(".fp-frame"), outline(number), twin.querySelector(".fp-picture"));
        twin.querySelector("figcaption").textContent = frames.captions[number];
        tallest = Math.max(tallest, twin.getBoundingClientRect().height);
        number += 1;
      } while (number < frames.frames.length && performance.now() < end);
      twin.remove();
      if (number < frames.frames.length) whenIdle(measure);
      else stage.style.minHeight = `${tallest}px`;
    };
    whenIdle(measure);
  };
  const reserveWhenNear = () => {
    let width = 0;
    const sizes = new ResizeObserver(() => {
      if (stage.offsetWidth && stage.offsetWidth !== width) {
        width = stage.offsetWidth;
        reserve();
      }
    });
    new IntersectionObserver(([entry], observer) => {
      if (!entry.isIntersecting) return;
      observer.disconnect();
      sizes.observe(stage);
    }, { rootMargin: "100%" }).observe(root);
  };

  const begin = () => {
    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", (event) => {
      const name = event.target.name.replace(`${root.id}-`, "");
      rest();
      set(state.with(controls.findIndex((control) => control.name === name), Number(event.target.value)));
    });
    form.addEventListener("click", (event) => {
      const action = actions[event.target.dataset.do];
      if (!action) return;
      event.target.closest(".fp-menu")?.removeAttribute("open");
      action();
    });
    root.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      form.querySelector(".fp-menu").removeAttribute("open");
      if (opened) dismiss();
    });
    root.querySelectorAll(".fp-try").forEach(prepareTry);
    figure.addEventListener("focusin", stop);
    addEventListener("hashchange", () => {
      if (!pieces().length) return;
      rest();
      readAddress();
    });
    readAddress();
    if (pieces()[0]?.startsWith(`${root.id}?`)) {
      root.closest("details")?.setAttribute("open", "");
      root.scrollIntoView();
    }
  };

  // A page is as wide as it stays once all of it is there.
  const arrived = new Promise((resolve) => {
    if (document.readyState === "complete") resolve();
    else addEventListener("load", resolve);
  });
  begin();
  arrived.then(() => fpcoursePacked.read(find(".fp-packed"))).then((read) => {
    frames = read;
    paint();
    reserveWhenNear();
    root.classList.add("fp-live");
  }).catch((error) => {
    form.hidden = true;
    card.textContent = "This browser cannot move the figure; it shows the start.";
    card.hidden = false;
    console.warn("explorable not started", error);
  });
});
