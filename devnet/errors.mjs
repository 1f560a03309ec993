/** A failure that is the caller's: answered with 400 and Kubo's code 1 instead of 500 and 0. */
export class ClientError extends Error {}

/** Kubo's JSON for a failure. */
export function errorBody (error) {
  return { Message: messageOf(error?.errors?.[0] ?? error), Code: error instanceof ClientError ? 1 : 0, Type: 'error' }
}

function messageOf (error) {
  if (error?.name === 'NotFoundError') return 'block was not found locally (offline): ipld: could not find node'
  return error?.message ?? String(error)
}
