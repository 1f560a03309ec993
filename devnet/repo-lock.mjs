import fs from 'node:fs'
import { execFileSync } from 'node:child_process'
import path from 'node:path'

/**
 * Make sure that one node at most works in a folder. The lock of a process that is gone counts for nothing, so a killed node starts
 * again without help. Returns the function that gives the folder free.
 */
export function lockRepo (folder) {
  fs.mkdirSync(folder, { recursive: true })
  const file = path.join(folder, 'lock')
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      fs.writeFileSync(file, JSON.stringify({ pid: process.pid, started: startOf(process.pid) }), { flag: 'wx' })
      return () => fs.rmSync(file, { force: true })
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    const owner = readOwner(file)
    if (owner != null && owner.started != null && startOf(owner.pid) === owner.started) {
      throw new Error(`${folder} is in use by the node with process id ${owner.pid}`)
    }
    fs.rmSync(file, { force: true })
  }
  throw new Error(`${folder} is being taken by another node`)
}

function readOwner (file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'))
  } catch {
    return null // gone meanwhile, or cut short by a kill: nobody's
  }
}

/** When a process started, as this system tells it; null if there is none. A process id alone may have been given to a stranger. */
function startOf (pid) {
  try {
    if (fs.existsSync('/proc/self/stat')) {
      const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ')
      return fields[0] === 'Z' ? null : fields[19]
    }
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim()
  } catch {
    return null
  }
}
