// Dark or light: as the system says, until the button says otherwise. Loaded before the page is painted.
const system = matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;

function showTheme() {
  const chosen = localStorage.getItem("theme");
  if (chosen) root.dataset.theme = chosen;
  else delete root.dataset.theme;
  const dark = chosen ? chosen === "dark" : system.matches;
  document.getElementById("theme")?.setAttribute("aria-pressed", String(dark));
}

showTheme();
system.addEventListener("change", showTheme);
document.addEventListener("DOMContentLoaded", () => {
  showTheme();
  document.getElementById("theme").addEventListener("click", (event) => {
    const theme = event.currentTarget.getAttribute("aria-pressed") === "true" ? "light" : "dark";
    // What the system says already is not stored, so that the page goes on following it.
    if ((theme === "dark") === system.matches) localStorage.removeItem("theme");
    else localStorage.setItem("theme", theme);
    showTheme();
  });
});
