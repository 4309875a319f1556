/** What a tab remembers over a reload, and no other tab knows. Without storage it forgets. */

/** @returns {any} what was remembered, null for nothing */
export function recall(key) {
  try {
    return JSON.parse(sessionStorage.getItem(key));
  } catch {
    return null;
  }
}

/** @param {any} value null forgets it */
export function remember(key, value) {
  try {
    if (value === null) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Storage may be forbidden; then a reload starts anew.
  }
}
