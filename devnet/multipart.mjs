import { on } from 'node:events'
import busboy from 'busboy'
import { ClientError } from './errors.mjs'

const IDLE_MS = 60_000

/**
 * The parts of an upload as {name, type, content}; content is a stream that must be read before the next part is asked for.
 *
 * An upload from which nothing comes for a minute is ended: it would hold off garbage collection, and that everybody else.
 */
export async function * uploadedParts (request, signal) {
  const parser = openParser(request)
  request.socket.setTimeout(IDLE_MS, () => request.destroy(new Error('upload timed out')))
  const parts = on(parser, 'file', { close: ['close'], signal })
  parser.on('error', () => {}) // comes through the iteration, or after it, when nobody minds
  request.once('close', () => { if (!request.complete) parser.destroy(new Error('the upload was cut short')) })
  request.pipe(parser)
  try {
    for await (const [, content, { filename, mimeType }] of parts) {
      yield { name: unescapeName(filename ?? ''), type: mimeType, content }
    }
  } finally {
    request.socket.setTimeout(0)
  }
}

function openParser (request) {
  try {
    return busboy({ headers: request.headers, preservePath: true, defParamCharset: 'utf8' })
  } catch (error) {
    throw new ClientError(`file argument 'path' is required: ${error.message}`)
  }
}

// Kubo's clients escape names as in a query string.
function unescapeName (name) {
  try {
    return decodeURIComponent(name.replaceAll('+', ' '))
  } catch {
    return name
  }
}
