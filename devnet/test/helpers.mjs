import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import readline from 'node:readline'

const SCRIPT = path.join(import.meta.dirname, '..', 'ipfs-node.mjs')

/** A temporary folder that goes away with the test. */
export async function temporaryFolder (t) {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'ipfs-node-'))
  t.after(() => fs.rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))
  return folder
}

/** Start a node as a process; it is killed after the test. */
export async function startNode (t, repo) {
  const child = spawn(process.execPath, [SCRIPT, '--repo', repo, '--api-port', '0'], { stdio: ['ignore', 'pipe', 'pipe'] })
  const errors = []
  child.stderr.on('data', chunk => errors.push(chunk))
  const exited = once(child, 'exit')
  const stop = async signal => {
    child.kill(signal)
    return exited
  }
  t.after(() => stop('SIGKILL'))
  for await (const line of readline.createInterface({ input: child.stdout })) {
    const { api, swarm, pid } = JSON.parse(line)
    const [port] = api.split('/').slice(-1)
    return { url: `http://127.0.0.1:${port}/api/v0`, port, swarm: swarm[0], pid, stop }
  }
  throw new Error(`the node did not start: ${Buffer.concat(errors)}`)
}

export const call = (node, command, options = {}) => fetch(`${node.url}/${command}`, { method: 'POST', ...options })

export async function callJson (node, command, options) {
  const response = await call(node, command, options)
  const lines = (await response.text()).trim().split('\n').filter(Boolean).map(line => JSON.parse(line))
  if (!response.ok) throw new Error(lines[0].Message)
  return lines
}

/** The parts of an upload, as browsers and Kubo's clients send them. */
export function form (...files) {
  const body = new FormData()
  for (const [name, bytes, type = 'application/octet-stream'] of files) {
    body.append('file', new Blob([bytes], { type }), encodeURIComponent(name))
  }
  return body
}

export const add = async (node, bytes, query = '') => (await callJson(node, `add${query}`, { body: form(['f', bytes]) })).at(-1).Hash

export const pinned = async node => Object.keys((await callJson(node, 'pin/ls?type=recursive'))[0].Keys)
