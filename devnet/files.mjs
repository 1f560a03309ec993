import fs from 'node:fs/promises'
import path from 'node:path'

let written = 0

/**
 * Write a file whole or not at all, also when the process is killed in the middle.
 *
 * Every call has a temporary name of its own: two writers of one name must not meet in one temporary file.
 * Nothing is synced to the disk: what is acknowledged survives the death of the process, not that of the power supply.
 */
export async function writeAtomically (folder, name, bytes) {
  const temporary = path.join(folder, `.${name}.${process.pid}-${++written}.tmp`)
  try {
    await fs.writeFile(temporary, bytes)
  } catch (error) {
    if (error.code !== 'ENOENT') {
      await fs.rm(temporary, { force: true })
      throw error
    }
    await fs.mkdir(folder, { recursive: true })
    await fs.writeFile(temporary, bytes)
  }
  await fs.rename(temporary, path.join(folder, name))
}

/** Remove what a killed writer left behind in a folder. Only for when no writer is at work. */
export async function removeTemporary (folder) {
  for (const name of await fs.readdir(folder)) {
    if (name.startsWith('.') && name.endsWith('.tmp')) await fs.rm(path.join(folder, name), { force: true })
  }
}
