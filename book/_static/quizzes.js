// Questions become forms, exercises a box to tick; record.js keeps what a reader does with both.
(() => {
  "use strict";
  const { make, change, read, answer, isDone, isKept, onChange, tell } = window.fpcourseRecord;
  const all = (selector) => [...document.querySelectorAll(selector)];

  const isQuestion = (quiz) => quiz.id.startsWith("question-");

  // The options as radio buttons. The value of an answer is its number.
  const options = (list, number) => {
    const items = [...list.children];
    const radios = items.map((item, i) => {
      const radio = make("input", { type: "radio", name: `quiz-${number}`, value: i + 1, autocomplete: "off" });
      const alone = item.children.length === 1 && item.firstElementChild.matches("p");
      const text = make("span", {}, ...(alone ? item.firstElementChild : item).childNodes);
      // The number as text: it is how feedback names the option, and a formula alone is no name.
      const named = make("span", { className: "visually-hidden", textContent: `Option ${i + 1}: ` });
      item.replaceChildren(make("label", {}, radio, named, text));
      return radio;
    });
    return {
      element: list,
      ask: "Choose an option first, then check it.",
      said: (value) => `You chose ${value}`,
      value: () => radios.findIndex((radio) => radio.checked) + 1,
      item: (value) => value,
      show(value, is) {
        radios[value - 1].checked = true;
        items[value - 1].dataset.is = is;
      },
      clear: () => items.forEach((item) => delete item.dataset.is),
    };
  };

  // A place to type a number or a word. A number may have more digits than the answer that it is compared with.
  const plain = (text) => text.trim().toLowerCase().replace(/[`"']/g, "").replace("−", "-").replace(/(\d),(?=\d{3}\b)/g, "$1");
  const isSame = (typed, known) => {
    const [x, y] = [typed, known].map((text) => (plain(text) ? Number(plain(text)) : NaN));
    const decimals = plain(known).split(".")[1]?.length;
    return plain(typed) === plain(known) || Math.abs(x - y) <= (decimals ? 0.5 * 10 ** -decimals : 0);
  };
  const typed = (quiz) => {
    const known = JSON.parse(quiz.dataset.answers);
    const numeric = known.every((text) => Number.isFinite(Number(plain(text))));
    const what = numeric ? "a number" : "a word";
    const input = make("input", { type: "text", size: 12, autocomplete: "off", autocapitalize: "none", spellcheck: false, ariaLabel: `Type ${what}` });
    if (numeric) input.inputMode = "decimal";
    return {
      element: make("p", {}, input),
      ask: `Type ${what} first, then check it.`,
      said: (value) => `You typed ${value}`,
      value: () => input.value.trim(),
      isOff: (value) => numeric && Number.isNaN(Number(plain(value))),
      item: (value) => known.findIndex((text) => isSame(String(value), text)) + 1,
      show(value, is) {
        input.value = value;
        input.dataset.is = is;
      },
      clear: () => delete input.dataset.is,
      // The answer by which the feedback begins has just been typed.
      takeLead(text) {
        const lead = text.querySelector("code");
        if (!lead) return;
        lead.nextSibling.textContent = lead.nextSibling.textContent.replace(/^: */, "");
        lead.remove();
      },
    };
  };

  const quizzes = all(".quiz");
  quizzes.forEach((quiz, number) => {
    const id = quiz.dataset.question;
    const right = Number(quiz.dataset.right);
    const fold = quiz.querySelector(":scope > details");
    const feedback = fold.querySelector(":scope > ol").children;
    const status = make("div", { className: "quiz-status" });
    status.setAttribute("role", "status");
    const fieldset = make("fieldset", {}, make("legend", { textContent: isQuestion(quiz) ? "Your answer" : "Your prediction" }));
    const form = make("form", { className: "quiz-form", noValidate: true }, fieldset);
    quiz.firstElementChild.id ||= `${quiz.id}-text`;
    fieldset.setAttribute("aria-describedby", quiz.firstElementChild.id);
    (quiz.dataset.answers ? fold : fold.previousElementSibling).before(form);
    const answers = quiz.dataset.answers ? typed(quiz) : options(form.nextElementSibling, number);
    const sure = make("input", { type: "checkbox", autocomplete: "off" });
    fieldset.append(answers.element, make("button", { type: "submit", textContent: "Check" }),
      make("label", { className: "quiz-sure" }, sure, " I’m sure"));
    form.append(status);
    fold.firstElementChild.textContent = quiz.dataset.answers ? "The answer" : "Feedback to every option";

    const clear = () => {
      status.replaceChildren();
      answers.clear();
    };
    const show = (value, wasSure) => {
      clear();
      const chosen = answers.item(value);
      answers.show(value, status.dataset.is = chosen === right ? "right" : "not right");
      const verdict = `${answers.said(value)}${wasSure ? ", and you were sure" : ""}` +
        (chosen === right ? "." : `: not right.${isQuestion(quiz) ? " You can choose again." : ""}`);
      const text = feedback[chosen - 1]?.cloneNode(true) ?? make("p");
      if (quiz.dataset.answers) answers.takeLead(text);
      text.querySelectorAll(".copybtn").forEach((button) => button.remove());
      text.querySelectorAll("[id]").forEach((element) => element.removeAttribute("id"));
      status.append(make("p", { className: "quiz-verdict", textContent: verdict }), ...text.childNodes);
      quiz.dataset.answered = "";
    };
    form.addEventListener("input", ({ target }) => { if (target !== sure) clear(); });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const last = answers.value();
      if (!last || answers.isOff?.(last)) return status.replaceChildren(answers.ask);
      const first = { first: last, right: answers.item(last) === right, ...(sure.checked && { sure: true }) };
      change(({ answers }) => { answers[id] = { ...(answer(id) ?? first), last }; });
      show(last, sure.checked);
    });
    onChange(() => {
      if (!("answered" in quiz.dataset) || answer(id)) return;
      clear();  // the record was reset
      form.reset();
      delete quiz.dataset.answered;
      fold.open = false;
    });
    const last = answer(id)?.last;
    const isOne = quiz.dataset.answers ? typeof last === "string" : typeof last === "number" && feedback[last - 1];
    if (isOne) show(last);
  });

  const questions = quizzes.filter(isQuestion);
  if (questions.length) {
    const score = make("p", { className: "quiz-score" });
    questions.at(-1).after(score);
    onChange(() => {
      const answers = questions.map((quiz) => answer(quiz.dataset.question)).filter(Boolean);
      const left = questions.length - answers.length;
      const sure = answers.filter((entry) => entry.sure);
      const count = (entries) => entries.filter(({ right }) => right).length;
      score.textContent = `${count(answers)} of ${questions.length} at first try` + (left ? `; ${left} still to answer.` : ".") +
        (sure.length ? ` Of the ${sure.length} you were sure of, ${count(sure)} right.` : "");
    });
  }

  all("[data-exercise]").forEach((place) => {
    const id = place.dataset.exercise;
    const box = make("input", { type: "checkbox", autocomplete: "off" });
    const title = make("span", { className: "visually-hidden", textContent: ` ${place.dataset.title}` });
    const how = make("span");
    place.append(make("label", { className: "exercise-done" }, box, make("span", {}, how, title)));
    box.addEventListener("change", () => change(({ exercises }) => {
      if (box.checked) exercises[id] = "said";
      else delete exercises[id];
    }));
    onChange(() => {
      box.checked = isDone(id);
      how.textContent = read().exercises[id] === "solved" ? "Solved on this page" : "Done";
    });
  });

  const note = make("p", { className: "quiz-note", hidden: true, textContent: "This browser keeps nothing for this page: " +
    "your answers last until you leave it." });
  document.querySelector(".quiz, [data-exercise], .progress-place").after(note);
  onChange(() => { note.hidden = isKept(); });

  tell();
})();
