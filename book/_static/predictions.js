// What answers a prediction opens once the reader has answered; one switch shows all runs, on every page.
(() => {
  "use strict";
  const KEY = "fpcourse.runs";
  const folds = [...document.querySelectorAll("details.prediction, details.explanation")];
  let shown = false;
  try {
    shown = localStorage.getItem(KEY) === "shown";
  } catch { /* this browser keeps nothing: the switch lasts until the page is left */ }

  // The question stands before the cell: a quiz, or an answer to unfold.
  const questionOf = (fold) => {
    let before = (fold.closest(".cell") ?? fold).previousElementSibling;
    while (before && !before.matches(".quiz, details:not(.explanation)")) before = before.previousElementSibling;
    return before;
  };
  const open = (some) => some.forEach((fold) => { fold.open = true; });
  const byQuestion = new Map();
  folds.forEach((fold) => {
    const question = questionOf(fold);
    byQuestion.set(question, [...(byQuestion.get(question) ?? []), fold]);
  });
  byQuestion.forEach((answers, question) => {
    // Whatever opens one of them, a key, a link or the browser's search, opens the others.
    answers.forEach((fold) => fold.addEventListener("toggle", () => { if (fold.open) open(answers); }));
    if (!question) return;
    const answered = () => ("answered" in question.dataset || (question.open ?? false));
    const follow = () => { if (answered()) open(answers); };
    follow();
    new MutationObserver(follow).observe(question, { attributes: true, attributeFilter: ["data-answered", "open"] });
  });

  const showLinked = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target?.matches(".cell")) open(target.querySelectorAll("details.prediction"));
  };
  addEventListener("hashchange", showLinked);
  showLinked();

  const button = document.createElement("button");
  button.type = "button";
  button.className = "prediction-switch";
  const label = () => {
    button.textContent = shown ? "Fold runs until I have predicted" : "Always show runs";
  };
  button.addEventListener("click", () => {
    shown = !shown;
    folds.forEach((fold) => { fold.open = shown; });
    label();
    try {
      localStorage.setItem(KEY, shown ? "shown" : "folded");
    } catch { /* as above */ }
  });
  if (shown) open(folds);
  label();
  folds[0]?.after(button);
})();
