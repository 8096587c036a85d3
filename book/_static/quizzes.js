// Questions become forms, exercises get a box to tick; record.js keeps what a reader does with both.
(() => {
  "use strict";
  const { make, change, answer, isDone, isKept, onChange, tell } = window.fpcourseRecord;
  const all = (selector) => [...document.querySelectorAll(selector)];

  const isQuestion = (quiz) => quiz.id.startsWith("question-");
  const quizzes = all(".quiz");
  quizzes.forEach((quiz, number) => {
    const id = quiz.dataset.question;
    const right = Number(quiz.dataset.right);
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
    const fieldset = make("fieldset", {}, make("legend", { textContent: isQuestion(quiz) ? "Your answer" : "Your prediction" }));
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
        answers[id] = { first: chosen, right: chosen === right, ...answer(id), last: chosen };
      });
      show(chosen);
    });
    onChange(() => {
      if (!("answered" in quiz.dataset) || answer(id)) return;
      clear();  // the record was reset
      form.reset();
      delete quiz.dataset.answered;
      fold.open = false;
    });
    const last = answer(id)?.last;
    if (typeof last === "number" && radios[last - 1]) show(last);
  });

  const questions = quizzes.filter(isQuestion);
  if (questions.length) {
    const score = make("p", { className: "quiz-score" });
    questions.at(-1).after(score);
    onChange(() => {
      const answers = questions.map((quiz) => answer(quiz.dataset.question)).filter(Boolean);
      const left = questions.length - answers.length;
      score.textContent = `${answers.filter(({ right }) => right).length} of ${questions.length} at first try` +
        (left ? `; ${left} still to answer.` : ".");
    });
  }

  all("[data-exercise]").forEach((place) => {
    const id = place.dataset.exercise;
    const box = make("input", { type: "checkbox", autocomplete: "off" });
    const title = make("span", { className: "visually-hidden", textContent: ` ${place.dataset.title}` });
    place.append(make("label", { className: "exercise-done" }, box, make("span", {}, "Done", title)));
    box.addEventListener("change", () => change(({ exercises }) => {
      if (box.checked) exercises[id] = "said";
      else delete exercises[id];
    }));
    onChange(() => { box.checked = isDone(id); });
  });

  const note = make("p", { className: "quiz-note", hidden: true, textContent: "This browser keeps nothing for this page: " +
    "your answers last until you leave it." });
  document.querySelector(".quiz, [data-exercise], .progress-place").after(note);
  onChange(() => { note.hidden = isKept(); });

  tell();
})();
