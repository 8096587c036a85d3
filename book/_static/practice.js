// The mock interview and the flashcards. The questions are those of the page: nothing is kept here a second time.
(() => {
  "use strict";
  const questions = [...document.querySelectorAll(".bank-question > details")];
  const byId = new Map(questions.map((question) => [question.dataset.id, question]));
  const copied = (question, part) => question.querySelector(`.bank-${part}`).cloneNode(true);
  const ask = (place, question) => place.replaceChildren(...copied(question, "asked").childNodes);
  const counted = (values) => values.reduce((sum, value) => ({ ...sum, [value]: (sum[value] ?? 0) + 1 }), {});

  const { mark, isKept } = window.fpcourseRecord;
  const marks = (field) => new Map([...window.fpcourseRecord.marks(field)].filter(([id]) => byId.has(id)));
  const NOT_KEPT = " This browser keeps nothing: it lasts until you leave the page.";

  const simulator = (root) => {
    const find = (selector) => root.querySelector(selector);
    const form = find("form");
    const rates = root.querySelectorAll("[data-rate]");
    const TASKS = {
      30: "Thirty seconds: say the points, in their order.",
      120: "Two minutes: say each point with its reason.",
      300: "Five minutes: say each point with its reason. Three more questions follow when you have answered, without the clock.",
    };
    const PARTS = { 30: [], 120: ["listens"], 300: ["listens", "follow-ups"] };
    let question = null;
    let left = 0; // milliseconds
    let length = 0;
    let since = null; // when the clock went on; null while it stands
    let ticking = null;

    const say = (text) => { find(".practice-status").textContent = text; };
    const spoken = (milliseconds) => {
      const seconds = Math.round(milliseconds / 1000);
      return seconds < 60 ? `${seconds} seconds` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
    };
    const now = () => (since === null ? left : Math.max(0, left - (Date.now() - since)));
    const stop = () => {
      left = now();
      since = null;
      clearInterval(ticking);
    };
    const paint = () => {
      const seconds = Math.ceil(now() / 1000);
      const shown = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")} left`;
      if (find(".practice-left").textContent !== shown) find(".practice-left").textContent = shown;
    };
    const hideClock = () => {
      const had = find(".practice-clock").contains(document.activeElement);
      find(".practice-clock").hidden = true;
      if (had) find("[data-do=answered]").focus(); // else the keyboard would be nowhere
    };
    // Two announcements, at half time and at the end; the seconds between are seen and not heard.
    const go = () => {
      let halfIsOver = left <= length / 2;
      since = Date.now();
      ticking = setInterval(() => {
        paint();
        if (now() === 0) {
          stop();
          hideClock();
          say("The time is over. Finish your sentence.");
        } else if (!halfIsOver && now() <= length / 2) {
          halfIsOver = true;
          say(`Half of the time is over: ${spoken(length / 2)} left.`);
        }
      }, 200);
    };
    const summary = () => {
      const counts = counted([...marks("rating").values()]);
      const given = ["strong", "adequate", "not yet"].filter((rating) => counts[rating]);
      const told = given.map((rating) => `${counts[rating]} ${rating}`).join(", ");
      find(".practice-summary").textContent = (told && `Rated so far: ${told}, of ${questions.length} questions.`)
        + (isKept() ? "" : NOT_KEPT);
    };

    const draw = () => {
      const levels = new FormData(form).getAll("level");
      const topic = form.topic.value;
      const chosen = questions.filter(({ dataset }) =>
        levels.includes(dataset.level) && (!topic || dataset.topic === topic));
      stop();
      if (!chosen.length) {
        find(".practice-asking").hidden = true;
        return say("No question is of this topic at these levels: choose another topic, or one more level.");
      }
      const had = marks("seen");
      let open = chosen.filter(({ dataset }) => !had.has(dataset.id));
      const again = !open.length;
      if (again) {
        chosen.forEach(({ dataset }) => mark(dataset.id, "seen", undefined));
        open = chosen.filter((one) => chosen.length === 1 || one !== question);
      }
      question = open[Math.floor(Math.random() * open.length)];
      mark(question.dataset.id, "seen", true);
      show();
      say(again ? `You have had all ${chosen.length} questions of your choice; they begin anew.` : "");
    };
    const show = () => {
      ask(find(".practice-asked"), question);
      find(".practice-task").textContent = TASKS[form.seconds.value];
      find(".practice-asking").hidden = false;
      find("[data-do=answered]").hidden = false;
      find(".practice-rubric").hidden = find(".practice-rate").hidden = true;
      length = left = 1000 * form.seconds.value;
      find(".practice-clock").hidden = !form.timer.checked;
      find("[data-do=pause]").textContent = "Pause";
      paint();
      if (form.timer.checked) go();
      find(".practice-card").focus();
    };
    const reveal = () => {
      stop();
      say("");
      find(".practice-clock").hidden = find("[data-do=answered]").hidden = true;
      const answer = document.createElement("details");
      const summaryOfAnswer = document.createElement("summary");
      summaryOfAnswer.textContent = "A model answer";
      answer.append(summaryOfAnswer, ...[...copied(question, "answer").children].slice(1));
      const whole = document.createElement("p");
      const link = document.createElement("a");
      link.href = `#${question.dataset.id}`;
      link.textContent = "The whole entry, with its runs";
      whole.append(link);
      const parts = ["skeleton", ...PARTS[length / 1000], "replies"].map((part) => copied(question, part));
      find(".practice-rubric").replaceChildren(...parts, answer, whole);
      const mine = marks("rating").get(question.dataset.id);
      rates.forEach((button) => button.setAttribute("aria-pressed", button.dataset.rate === mine));
      find(".practice-rubric").hidden = find(".practice-rate").hidden = false;
      find(".practice-rubric").focus();
    };
    const actions = {
      answered: reveal,
      next: draw,
      pause: () => {
        if (since === null) go(); else stop();
        paint();
        find("[data-do=pause]").textContent = since === null ? "Go on" : "Pause";
      },
      off: () => {
        stop();
        form.timer.checked = false;
        hideClock();
        say("The timer is off. Take your time.");
      },
    };

    root.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      actions[button?.dataset.do]?.();
      if (button?.dataset.rate) {
        mark(question.dataset.id, "rating", button.dataset.rate);
        rates.forEach((one) => one.setAttribute("aria-pressed", one === button));
        say(`Rated: ${button.dataset.rate}.`);
        summary();
      }
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      draw();
    });
    const topics = new Set(questions.map(({ dataset }) => dataset.topic));
    [...topics].sort().forEach((topic) => form.topic.add(new Option(topic, topic)));
    find(".practice-without").hidden = true;
    form.hidden = false;
    summary();
  };

  const cards = (root) => {
    const find = (selector) => root.querySelector(selector);
    const form = find("form");
    const say = (text) => { find(".practice-status").textContent = text; };
    let queue = [];
    let card = null;

    const stack = () => {
      const piles = marks("pile");
      const wanted = { learn: [undefined, "again"], again: ["again"], known: ["known"] }[form.pile.value];
      const level = form.level.value;
      return wanted.flatMap((pile) => questions.filter(({ dataset }) =>
        piles.get(dataset.id) === pile && (!level || dataset.level === level)));
    };
    const count = () => {
      const { again = 0, known = 0 } = counted([...marks("pile").values()]);
      find(".practice-summary").textContent = `New: ${questions.length - again - known}. Again: ${again}. Known: ${known}.`
        + (isKept() ? "" : NOT_KEPT);
      find(".practice-reset").hidden = !(again + known);
    };
    const show = (focused) => {
      count();
      if (!queue.length) queue = stack();
      card = queue.shift() ?? null;
      find(".practice-asking").hidden = !card;
      if (!card) return say("No card is in this pile.");
      ask(find(".practice-asked"), card);
      find(".practice-back").replaceChildren(copied(card, "skeleton"));
      turn(false);
      if (focused) find(".practice-card").focus();
    };
    const turn = (turned) => {
      find(".practice-back").hidden = !turned;
      find("[data-do=turn]").hidden = turned;
      root.querySelectorAll("[data-pile]").forEach((button) => { button.hidden = !turned; });
    };
    const confirm = (asked) => {
      const { again = 0, known = 0 } = counted([...marks("pile").values()]);
      find(".practice-confirm p").textContent = `This forgets ${again} cards of “again” and ${known} of “known”.`;
      find(".practice-confirm").hidden = !asked;
      find("[data-do=reset]").hidden = asked;
    };
    const begin = (focused) => {
      queue = [];
      say("");
      show(focused);
    };
    const actions = {
      turn: () => {
        turn(true);
        find(".practice-card").focus();
      },
      reset: () => {
        confirm(true);
        find("[data-do=keep]").focus();
      },
      keep: () => {
        confirm(false);
        find("[data-do=reset]").focus();
      },
      forget: () => {
        marks("pile").forEach((pile, id) => mark(id, "pile", undefined));
        confirm(false);
        begin(true);
        say("Both piles are empty.");
      },
    };

    root.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      actions[button?.dataset.do]?.();
      if (button?.dataset.pile) {
        mark(card.dataset.id, "pile", button.dataset.pile);
        say(`To the pile “${button.dataset.pile}”.`);
        show(true);
      }
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", () => begin(false));
    find(".practice-without").hidden = true;
    form.hidden = false;
    begin(false);
  };

  for (const [id, start] of [["practice-simulator", simulator], ["practice-cards", cards]]) {
    const root = document.getElementById(id);
    if (root) start(root);
  }
})();
