/** With DEBUG each tab is a person of its own: a guest, remembered for as long as the tab. */

import { ChatifyError } from "./chatify-client.js";
import { recall, remember } from "./tab-memory.js";

const KEY = "chatify.guest";
const STILL_GOOD_MS = 60_000;

export class Guest {
  #url;
  #csrfToken;
  #kept = recall(KEY);

  /** @param {{url: string, csrfToken: () => string}} options */
  constructor({ url, csrfToken }) {
    this.#url = url;
    this.#csrfToken = csrfToken;
  }

  /** A token. The one of before is given once; who asks again wants a fresh one. */
  async token() {
    const kept = this.#kept;
    this.#kept = null;
    if (kept?.token && Date.parse(kept.expires_at) - Date.now() > STILL_GOOD_MS) return kept.token;
    const [known, fresh] = [recall(KEY), await this.#ask()];
    const age = known?.external_id === fresh.external_id ? known.age ?? null : null; // they may be somebody new
    remember(KEY, { ...fresh, age });
    return fresh.token;
  }

  /** Say how old they are, null for nothing: a token alone cannot. */
  async tellAge(age) {
    const known = recall(KEY);
    if ((known?.age ?? null) === age) return;
    remember(KEY, { ...await this.#ask({ age: age ?? "" }), age });
  }

  async #ask(fields = {}) {
    const body = new URLSearchParams({ external_id: recall(KEY)?.external_id ?? "", ...fields });
    const response = await fetch(this.#url, { method: "POST", headers: { "X-CSRFToken": this.#csrfToken() }, body });
    if (response.ok) return response.json();
    throw new ChatifyError({ code: "no_guest", message: "This tab cannot become a guest.", status: response.status });
  }
}
