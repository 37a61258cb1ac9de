// Before the first paint, and without an inline script, so that a strict content policy holds.
(() => {
  const chosen = localStorage.getItem('plimsoll.theme');
  const dark = chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
})();
