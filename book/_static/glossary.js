// A click on a word of the glossary opens its definition beside the word; the link in it leads on to the glossary.
(() => {
  "use strict";
  const { content } = document.querySelector(".definitions");
  const links = document.querySelectorAll("a.term");
  const box = document.createElement("div");
  box.id = "term-box";
  box.tabIndex = -1;
  box.hidden = true;
  box.setAttribute("role", "dialog");
  document.body.append(box);
  let opener = null;

  const place = () => {
    const word = [...opener.getClientRects()].at(-1);  // its last line
    const room = document.documentElement.clientWidth - box.getBoundingClientRect().width;
    box.style.left = `${scrollX + Math.min(word.left, room)}px`;
    box.style.top = `${scrollY + word.bottom}px`;
  };
  const close = () => {
    if (!opener) return;
    const link = opener;
    opener = null;
    link.setAttribute("aria-expanded", "false");
    if (box.contains(document.activeElement)) link.focus({ preventScroll: true });
    box.hidden = true;
  };
  const open = (link) => {
    close();
    opener = link;
    link.setAttribute("aria-expanded", "true");
    const entry = content.getElementById(link.hash.slice(1));
    const more = document.createElement("a");
    more.href = link.href;
    more.textContent = "In the glossary";
    box.replaceChildren(...entry.cloneNode(true).childNodes, more);
    box.setAttribute("aria-label", entry.firstElementChild.textContent);
    box.hidden = false;
    place();
    box.focus();
  };

  links.forEach((link) => {
    link.setAttribute("aria-haspopup", "dialog");
    link.setAttribute("aria-expanded", "false");
    link.setAttribute("aria-controls", box.id);
  });
  // On the document, as feedback to questions is copied with its links.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.term");
    if (link && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)) {
      event.preventDefault();
      if (link === opener) close();
      else open(link);
    } else if (!box.contains(event.target)) close();
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
  box.addEventListener("focusout", ({ relatedTarget }) => {
    if (relatedTarget && relatedTarget !== opener && !box.contains(relatedTarget)) close();
  });
  addEventListener("resize", () => { if (opener) place(); });
})();
