// A classic script in <head>, not a module: it must run before the first paint, or dark pages flash white.
(function () {
  const KEY = "chatify.theme";
  const root = document.documentElement;
  const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

  function current() {
    return root.dataset.theme || (systemIsDark.matches ? "dark" : "light");
  }

  function describe(button) {
    const next = current() === "dark" ? "light" : "dark";
    button.setAttribute("aria-label", `Switch to ${next} colours`);
    button.title = `Switch to ${next} colours`;
  }

  function toggle() {
    root.dataset.theme = current() === "dark" ? "light" : "dark";
    try {
      localStorage.setItem(KEY, root.dataset.theme);
    } catch {
      // Storage may be forbidden; then the choice lasts as long as the page.
    }
    document.querySelectorAll("[data-theme-toggle]").forEach(describe);
  }

  try {
    const stored = localStorage.getItem(KEY);
    if (stored === "dark" || stored === "light") root.dataset.theme = stored;
  } catch {
    // As above.
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-theme-toggle]").forEach((button) => {
      describe(button);
      button.addEventListener("click", toggle);
    });
  });
})();
