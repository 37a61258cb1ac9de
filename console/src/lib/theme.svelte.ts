const NAME = 'plimsoll.theme';
const system = matchMedia('(prefers-color-scheme: dark)');

type Choice = 'system' | 'dark' | 'light';

/** Dark or light: the system's until chosen; the choice is kept. `public/theme.js` does the same before the first paint. */
class Theme {
  choice = $state<Choice>(stored());
  #systemDark = $state(system.matches);
  readonly dark = $derived(this.choice === 'system' ? this.#systemDark : this.choice === 'dark');

  constructor() {
    system.addEventListener('change', (event) => {
      this.#systemDark = event.matches;
      this.#apply();
    });
  }

  toggle(): void {
    const next = this.dark ? 'light' : 'dark';
    this.choice = next === (this.#systemDark ? 'dark' : 'light') ? 'system' : next;
    if (this.choice === 'system') localStorage.removeItem(NAME);
    else localStorage.setItem(NAME, this.choice);
    this.#apply();
  }

  #apply(): void {
    document.documentElement.dataset.theme = this.dark ? 'dark' : 'light';
  }
}

function stored(): Choice {
  const value = localStorage.getItem(NAME);
  return value === 'dark' || value === 'light' ? value : 'system';
}

export const theme = new Theme();

/** A colour of the present theme, for what is drawn on a canvas. */
export const color = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
