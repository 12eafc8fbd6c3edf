// Dark or light: as the system says, until the button says otherwise. Loaded before the page is painted.
const system = matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;
let chosen = null; // "dark", "light", or null for the system's

function showTheme() {
  if (chosen) root.dataset.theme = chosen;
  else delete root.dataset.theme;
  document.getElementById("theme")?.setAttribute("aria-pressed", String(isDark()));
}

function isDark() {
  return chosen ? chosen === "dark" : system.matches;
}

function toggleTheme() {
  const theme = isDark() ? "light" : "dark";
  // What the system says already is not kept, so that the page goes on following it.
  chosen = (theme === "dark") === system.matches ? null : theme;
  showTheme();
  stored((storage) => (chosen ? storage.setItem("theme", chosen) : storage.removeItem("theme")));
}

/** Do something with the storage; a browser may forbid it: then the choice lasts as long as the page. */
function stored(action) {
  try {
    return action(localStorage);
  } catch {
    return null;
  }
}

chosen = stored((storage) => storage.getItem("theme"));
showTheme();
system.addEventListener("change", showTheme);
document.addEventListener("DOMContentLoaded", () => {
  showTheme();
  document.getElementById("theme")?.addEventListener("click", toggleTheme);
});
