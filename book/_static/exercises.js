// Exercises that a page can check: each answer has a key, and the verdict of each key was made by the real checker.
(() => {
  "use strict";
  const { make, change, answer, onChange } = window.fpcourseRecord;
  const TRIES = 3;  // then the worked solution opens

  // In a gap: code. Spaces, outer brackets, factors of 1 and the order of sums and products do not matter.
  const tight = (text) => text.trim().replace(/\s+/g, " ").replace(/ ?([^\w ]) ?/g, "$1");
  const factors = (term) => term.split("*").filter((factor, at, all) => factor !== "1" || all.length === 1).sort().join("*");
  const expression = (text) => {
    const bare = tight(text).replace(/^\(([^()]*)\)$/, "$1").replace(/\b(\d+)\.0\b/g, "$1");
    return /[^\w.+*]/.test(bare) ? bare : bare.split("+").map(factors).sort().join("+");
  };
  // In a table: a number or a shape, 3,649, (16, 64), 16 × 64 or torch.Size([16, 64]); null for what is neither.
  const size = (text, isNumber) => {
    const bare = text.trim().replace(/ *([,×x()[\]]) */g, "$1").replace(/ +/g, isNumber ? "" : ",")
      .replace(/^torch\.Size\((.*)\)$/, "$1").replace(/^\((.*)\)$|^\[(.*)\]$/, "$1$2");
    const whole = isNumber ? bare.replace(/,(?=\d{3}(,|$))/g, "") : bare;
    return /^\d+([,×x]\d+)*,?$/.test(whole) ? whole.split(/\D/).filter(Boolean).map(Number).join() : null;
  };
  const field = (properties) =>
    make("input", { type: "text", autocomplete: "off", autocapitalize: "none", spellcheck: false, ...properties });
  const notRun = (message) => ({ verdicts: [{ state: "not run", message }] });
  const verdictOf = (form, key) => {
    const [state, message, misconception] = form.messages[form.verdicts[key]];
    return { state, message, misconception };
  };

  // Each form: its places to fill, and what is said of their values, with a key that all spellings of an answer share.
  const gaps = (task, form) => {
    const lineOf = (at) => `${form.code[at].split("\n").at(-1)} … ${form.code[at + 1].split("\n")[0]}`.trim();
    const places = form.gaps.map(({ choices, typed }, at) => {
      const ariaLabel = `Gap ${at + 1} of ${form.gaps.length}${typed ? ", typed" : ""}: ${lineOf(at)}`;
      const options = [...choices].sort().map((choice) => make("option", { value: choice, textContent: choice.replace(/\s+/g, " ") }));
      const place = typed ? field({ ariaLabel, placeholder: `${at + 1} …` })
        : make("select", { ariaLabel }, make("option", { value: "", textContent: `${at + 1} …` }), ...options);
      task.querySelector(`[data-gap="${at}"]`).replaceChildren(place);
      return place;
    });
    const judge = (values) => {
      const numbers = values.map((value, at) =>
        form.gaps[at].choices.findIndex((choice) => expression(choice) === expression(value)));
      const unknown = numbers.indexOf(-1);
      const key = numbers.join("");
      return unknown < 0 ? { key, verdicts: [verdictOf(form, key)] } : notRun(`This page cannot run ${values[unknown]}, so it cannot say ` +
        "whether it is right: it has verdicts on answers that people often give. Write it another way, or run it in the notebook.");
    };
    return { places, judge };
  };
  const rows = (task, form) => {
    const places = [...task.querySelectorAll("tr")].map((row, at) => {
      const place = field({ ariaLabel: form.names[at] });
      row.lastElementChild.append(place);
      return place;
    });
    const right = "0".repeat(places.length);
    const isNumber = form.answers.map(([answer]) => /^\d+$/.test(answer));
    const judge = (values) => {
      const typed = values.map((value, at) => size(value, isNumber[at]));
      const unread = typed.indexOf(null);
      if (unread >= 0) return notRun(`${values[unread]} is neither a number, like 35, nor a shape, like (5, 7).`);
      const faults = typed.flatMap((value, at) => {
        const chosen = form.answers[at].findIndex((answer) => size(answer, isNumber[at]) === value);
        if (!chosen) return [];
        const verdict = chosen < 0 ? { state: "not yet", message: "" }
          : verdictOf(form, right.slice(0, at) + chosen + right.slice(at + 1));
        return [{ ...verdict, message: `${form.names[at]} is not ${values[at]}. ${verdict.message}` }];
      });
      return { key: typed.join(" "), verdicts: faults.length ? faults : [verdictOf(form, right)] };
    };
    return { places, judge };
  };
  const lines = (task, form) => {
    const list = task.querySelector("ol");
    list.role = "list";
    const items = () => [...list.children];
    const orderNow = () => items().map((item) => item.dataset.line).join("");
    const given = orderNow();
    const said = make("span", { className: "visually-hidden", role: "status" });
    list.after(said);
    const markEnds = () => items().forEach((item, at, all) => {
      const [up, down] = item.querySelectorAll("button");
      up.ariaDisabled = at === 0;
      down.ariaDisabled = at === all.length - 1;
    });
    items().forEach((item) => {
      const text = item.textContent;
      const move = (by, arrow, word) => {
        const button = make("button", { type: "button", textContent: arrow, ariaLabel: `Move ${text} ${word}` });
        button.addEventListener("click", () => {
          const other = items()[items().indexOf(item) + by];
          if (!other) return;
          if (by < 0) other.before(item);
          else other.after(item);
          button.focus();
          markEnds();
          said.textContent = `${text}: line ${items().indexOf(item) + 1} of ${items().length}`;
          list.dispatchEvent(new Event("input", { bubbles: true }));
        });
        return button;
      };
      item.prepend(move(-1, "↑", "up"), move(1, "↓", "down"));
    });
    markEnds();
    const order = {
      get value() { return orderNow() === given ? "" : orderNow(); },
      set value(key) {
        const line = (number) => list.querySelector(`[data-line="${number}"]`);
        if (key && [...key].sort().join("") !== [...given].sort().join("")) return;
        list.append(...[...(key || given)].map(line));
        markEnds();
      },
    };
    const judge = ([key]) => ({ key, verdicts: [verdictOf(form, key)] });
    return { places: [order], judge, first: "Move a line first, then check." };
  };
  const FORMS = { gaps, rows, lines };
  const HEADS = { passed: "It passes.", "not yet": "Not yet.", "not run": "Not run here." };
  const parse = (text) => {
    try {
      return [JSON.parse(text)].flat().map(String);
    } catch {
      return [];
    }
  };

  const paragraph = ({ message, misconception }, misconceptions) => {
    const [href, title] = misconceptions[misconception] ?? [];
    return make("p", {}, message, ...(title ? [" This looks like ", make("a", { href, textContent: title.replace(/^(\d+)\. /, "misconception $1: ") }), "."] : []));
  };

  // The places and a button around them; `judged` is told what was checked, whether it passed, and whether it is another
  // answer than those before or the same in another spelling.
  const makeForm = (task, form, misconceptions, judged) => {
    const { places, judge, first = "Fill every place first, then check." } = FORMS[form.form](task, form);
    const status = make("div", { className: "quiz-status", role: "status" });
    const button = make("button", { type: "submit", textContent: "Check" });
    const element = make("form", { className: "quiz-form", noValidate: true }, ...task.childNodes, button, status);
    task.append(element);
    let checked = "";
    let judgedKeys = new Set();
    const valuesNow = () => places.map(({ value }) => value.trim());
    const fill = (values) => places.forEach((place, at) => { place.value = values[at] ?? ""; });
    const show = (verdicts) => {
      const [{ state }] = verdicts;
      status.dataset.is = state === "passed" ? "right" : "not right";
      status.replaceChildren(make("p", { className: "quiz-verdict", textContent: HEADS[state] }),
        ...verdicts.map((verdict) => paragraph(verdict, misconceptions)));
    };
    const clear = () => {
      delete status.dataset.is;
      status.replaceChildren();
    };
    element.addEventListener("input", clear);
    element.addEventListener("submit", (event) => {
      event.preventDefault();
      const values = valuesNow();
      if (values.includes("")) return status.replaceChildren(first);
      const { key, verdicts } = judge(values);
      show(verdicts);
      const text = JSON.stringify(values);
      if (text === checked) status.append(make("p", { textContent: "Nothing has changed since the last check." }));
      else if (verdicts[0].state !== "not run") {
        checked = text;
        judged(text, verdicts[0].state === "passed", !judgedKeys.has(key));
        judgedKeys.add(key);
      }
    });
    const reset = () => {
      clear();
      fill([]);
      checked = "";
      judgedKeys = new Set();
    };
    return {
      reset,
      // What was checked on an earlier visit; nothing where the exercise has changed since.
      restore(text) {
        const values = parse(text);
        fill(values);
        if (!values.length || JSON.stringify(valuesNow()) !== JSON.stringify(values)) return reset();
        const { key, verdicts } = judge(values);
        show(verdicts);
        checked = JSON.stringify(values);
        judgedKeys.add(key);
      },
    };
  };

  const setUp = (root) => {
    const { forms, misconceptions } = JSON.parse(root.querySelector("script").textContent);
    const id = root.dataset.record;
    const [task, twin] = root.querySelectorAll(".exercise-task");
    const solution = document.getElementById(root.dataset.solution);
    const fold = solution?.closest("details.hide") ?? solution?.querySelector("details");
    const openFold = (open) => { if (fold) fold.open = open; };
    const turnTo = (shown) => [task, twin].forEach((each) => { each.hidden = each !== shown; });
    const wrongTries = () => Number(answer(id)?.tries) || 0;

    const toTwin = make("button", { type: "button",
      textContent: forms[1].form === "rows" ? "Try it with other numbers" : "Try it written another way" });
    toTwin.addEventListener("click", () => {
      openFold(false);
      turnTo(twin);
      twin.querySelector("select, input, button").focus();
    });
    const offer = make("p", { hidden: true, className: "exercise-twin" },
      "Three answers have not passed. Read the worked solution below, then solve its twin, which counts instead: ", toTwin);
    const solved = ({ exercises }) => { exercises[id] = "solved"; };

    const first = makeForm(task, forms[0], misconceptions, (text, right, isNew) => {
      const before = wrongTries();
      const tries = before + (!right && isNew);
      change((record) => {
        const isSolved = record.exercises[id] === "solved"; // what is tried then is not kept
        record.answers[id] = { first: text, right, ...answer(id), ...(right || !isSolved ? { last: text } : {}), tries };
        if (right && before < TRIES) solved(record);
      });
      if (before < TRIES && tries === TRIES) openFold(true);
    });
    const second = makeForm(twin, forms[1], misconceptions, (text, right) => { if (right) change(solved); });
    task.append(offer);
    first.restore(answer(id)?.last);
    let answered = Boolean(answer(id));
    const follow = () => {
      offer.hidden = wrongTries() < TRIES;
      if (answered && !answer(id)) {  // the record was reset
        first.reset();
        second.reset();
        turnTo(task);
      }
      answered = Boolean(answer(id));
    };
    onChange(follow);
    follow();
    root.classList.add("live");
  };
  document.querySelectorAll(".exercise-form").forEach(setUp);
})();
