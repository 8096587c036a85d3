// Questions become forms, exercises get a box to tick; the record of both is kept in this browser alone.
(() => {
  "use strict";
  const KEY = "fpcourse.progress";
  const VERSION = 1;
  const make = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const all = (selector) => [...document.querySelectorAll(selector)];

  // The record: of each answer the first and the last option, and whether the first was right; exercises that are done.
  const fresh = () => ({ version: VERSION, answers: {}, exercises: {} });
  const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
  const isAnswer = (value) => isObject(value) && Number.isInteger(value.first) && Number.isInteger(value.last) &&
    typeof value.right === "boolean";
  const parse = (text) => {
    try {
      const found = JSON.parse(text);
      return isObject(found) && found.version === VERSION && isObject(found.answers) && isObject(found.exercises) &&
        Object.values(found.answers).every(isAnswer) && Object.values(found.exercises).every((done) => done === true)
        ? found : null;
    } catch {
      return null;
    }
  };
  let unkept = null;  // the record where the browser keeps none: it lasts as long as the page
  const moveAside = (text) => {
    let n = 1;
    while (localStorage.getItem(`${KEY}.kept-${n}`) !== null) n += 1;
    localStorage.setItem(`${KEY}.kept-${n}`, text);
    localStorage.removeItem(KEY);
  };
  const read = () => {
    if (unkept) return unkept;
    try {
      const text = localStorage.getItem(KEY);
      const found = text === null ? fresh() : parse(text);
      if (!found) moveAside(text);
      return found ?? fresh();
    } catch {
      return (unkept = fresh());
    }
  };
  const tell = () => document.dispatchEvent(new Event(KEY));
  // Read again before each write: another tab may have written since.
  const change = (edit) => {
    const record = read();
    edit(record);
    try {
      if (!unkept) localStorage.setItem(KEY, JSON.stringify(record));
    } catch {
      unkept = record;
    }
    tell();
  };
  addEventListener("storage", tell);
  addEventListener("pageshow", tell);

  const quizzes = all(".quiz");
  quizzes.forEach((quiz, number) => {
    const id = quiz.dataset.question;
    const right = Number(quiz.dataset.right);
    const [isQuestion] = id.match(/#question-\d+$/) ?? [];
    const fold = quiz.querySelector(":scope > details");
    const list = fold.previousElementSibling;
    const feedback = fold.querySelector(":scope > ol").children;
    const options = [...list.children];
    const status = make("div", { className: "quiz-status" });
    status.setAttribute("role", "status");
    const radios = options.map((option, i) => {
      const radio = make("input", { type: "radio", name: `quiz-${number}`, value: i + 1, autocomplete: "off" });
      const alone = option.children.length === 1 && option.firstElementChild.matches("p");
      const text = make("span", {}, ...(alone ? option.firstElementChild : option).childNodes);
      // The number as text: it is how feedback names the option, and a formula alone is no name.
      const named = make("span", { className: "visually-hidden", textContent: `Option ${i + 1}: ` });
      option.replaceChildren(make("label", {}, radio, named, text));
      return radio;
    });
    const fieldset = make("fieldset", {}, make("legend", { textContent: isQuestion ? "Your answer" : "Your prediction" }));
    const form = make("form", { className: "quiz-form", noValidate: true }, fieldset);
    quiz.firstElementChild.id ||= `${quiz.id}-text`;
    fieldset.setAttribute("aria-describedby", quiz.firstElementChild.id);
    list.before(form);
    fieldset.append(list, make("button", { type: "submit", textContent: "Check" }));
    form.append(status);
    fold.firstElementChild.textContent = "Feedback to every option";

    const clear = () => {
      status.replaceChildren();
      options.forEach((option) => delete option.dataset.is);
    };
    const show = (chosen) => {
      clear();
      radios[chosen - 1].checked = true;
      const is = chosen === right ? "right" : "not right";
      options[chosen - 1].dataset.is = status.dataset.is = is;
      const text = feedback[chosen - 1].cloneNode(true);
      text.querySelectorAll(".copybtn").forEach((button) => button.remove());
      text.querySelectorAll("[id]").forEach((element) => element.removeAttribute("id"));
      const verdict = `You chose ${chosen}${chosen === right ? "." : ": not right. You can choose again."}`;
      status.append(make("p", { className: "quiz-verdict", textContent: verdict }), ...text.childNodes);
      quiz.dataset.answered = "";
    };
    form.addEventListener("change", clear);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const chosen = radios.findIndex((radio) => radio.checked) + 1;
      if (!chosen) return status.replaceChildren("Choose an option first, then check it.");
      change(({ answers }) => {
        const before = answers[id];
        answers[id] = { first: before?.first ?? chosen, last: chosen, right: before?.right ?? chosen === right };
      });
      show(chosen);
    });
    document.addEventListener(KEY, () => {
      if (!("answered" in quiz.dataset) || read().answers[id]) return;
      clear();  // the record was reset
      form.reset();
      delete quiz.dataset.answered;
      fold.open = false;
    });
    const last = read().answers[id]?.last;
    if (radios[last - 1]) show(last);
  });

  const questions = quizzes.filter((quiz) => quiz.id.startsWith("question-"));
  if (questions.length) {
    const score = make("p", { className: "quiz-score" });
    questions.at(-1).after(score);
    document.addEventListener(KEY, () => {
      const answers = questions.map((quiz) => read().answers[quiz.dataset.question]).filter(Boolean);
      const left = questions.length - answers.length;
      score.textContent = `${answers.filter((answer) => answer.right).length} of ${questions.length} at first try` +
        (left ? `; ${left} still to answer.` : ".");
    });
  }

  all("[data-exercise]").forEach((place) => {
    const id = place.dataset.exercise;
    const box = make("input", { type: "checkbox", autocomplete: "off" });
    const title = make("span", { className: "visually-hidden", textContent: ` ${place.dataset.title}` });
    place.append(make("label", { className: "exercise-done" }, box, make("span", {}, "Done", title)));
    box.addEventListener("change", () => change(({ exercises }) => {
      if (box.checked) exercises[id] = true;
      else delete exercises[id];
    }));
    document.addEventListener(KEY, () => { box.checked = id in read().exercises; });
  });

  const note = make("p", { className: "quiz-note", hidden: true, textContent: "This browser keeps nothing for this page: " +
    "your answers last until you leave it." });
  document.querySelector(".quiz, [data-exercise], .progress-place").after(note);
  document.addEventListener(KEY, () => { note.hidden = !unkept; });

  window.fpcourseProgress = { KEY, VERSION, fresh, parse, read, change, make };
  tell();
})();
