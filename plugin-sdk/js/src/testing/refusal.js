/** What the bindings of a component throw where the host says no: an error with the word of the contract. */

export function refusal(tag, val) {
  return Object.assign(new Error(`${tag}: ${val}`), { payload: { tag, val } });
}
