// The run that answers a prediction opens once the reader has answered; one switch shows all runs, on every page.
(() => {
  "use strict";
  const KEY = "fpcourse.runs";
  const folds = [...document.querySelectorAll("details.prediction")];
  const kept = () => {
    try {
      return localStorage.getItem(KEY) === "shown";
    } catch {
      return false; // this browser keeps nothing
    }
  };
  const keep = (shown) => {
    try {
      localStorage.setItem(KEY, shown ? "shown" : "folded");
    } catch { /* it lasts until the page is left */ }
  };

  // The question stands before the cell: a quiz, or an answer to unfold.
  const questionOf = (fold) => {
    let before = fold.closest(".cell").previousElementSibling;
    while (before && !before.matches(".quiz, details")) before = before.previousElementSibling;
    return before;
  };
  folds.forEach((fold) => {
    const question = questionOf(fold);
    if (!question) return;
    const answered = () => ("answered" in question.dataset || (question.open ?? false));
    const follow = () => { if (answered()) fold.open = true; };
    follow();
    new MutationObserver(follow).observe(question, { attributes: true, attributeFilter: ["data-answered", "open"] });
  });

  const showLinked = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target?.matches(".cell")) target.querySelectorAll("details.prediction").forEach((fold) => { fold.open = true; });
  };
  addEventListener("hashchange", showLinked);
  showLinked();

  const button = document.createElement("button");
  button.type = "button";
  button.className = "prediction-switch";
  const label = () => {
    button.textContent = kept() ? "Fold runs until I have predicted" : "Always show runs";
  };
  button.addEventListener("click", () => {
    keep(!kept());
    folds.forEach((fold) => { fold.open = kept(); });
    label();
  });
  if (kept()) folds.forEach((fold) => { fold.open = true; });
  label();
  folds[0]?.after(button);
})();
