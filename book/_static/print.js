// Paper is light: a page that is read in the dark prints in the light theme's colours.
(() => {
  "use strict";
  const page = document.documentElement;
  let before = null;
  addEventListener("beforeprint", () => {
    before = page.dataset.theme;
    page.dataset.theme = "light";
  });
  addEventListener("afterprint", () => { page.dataset.theme = before; });
})();
