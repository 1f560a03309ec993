const BLOCK = 512

/** A ustar header, and the content padded to blocks. Names are at most 100 bytes of a 255-byte path, as the format has it. */
export async function * tarFile (path, size, content) {
  yield header(path, size, '0')
  yield * content
  yield Buffer.alloc((BLOCK - size % BLOCK) % BLOCK)
}

export const tarDirectory = path => header(`${path}/`, 0, '5')

export const tarEnd = () => Buffer.alloc(2 * BLOCK)

function header (path, size, type) {
  const [prefix, name] = splitPath(path)
  const block = Buffer.alloc(BLOCK)
  const octal = (number, digits) => `${number.toString(8).padStart(digits, '0')}\0`
  block.write(name, 0)
  block.write(type === '5' ? '0000755\0' : '0000644\0', 100)
  block.write(octal(0, 7), 108)
  block.write(octal(0, 7), 116)
  block.write(octal(size, 11), 124)
  block.write(octal(0, 11), 136)
  block.write(' '.repeat(8), 148) // the checksum counts its own field as spaces
  block.write(type, 156)
  block.write('ustar\x0000', 257)
  block.write(prefix, 345)
  block.write(`${octal(block.reduce((sum, byte) => sum + byte, 0), 6)} `, 148)
  return block
}

function splitPath (path) {
  if (Buffer.byteLength(path) <= 100) return ['', path]
  for (let cut = path.indexOf('/'); cut > 0; cut = path.indexOf('/', cut + 1)) {
    const parts = [path.slice(0, cut), path.slice(cut + 1)]
    if (Buffer.byteLength(parts[0]) <= 155 && Buffer.byteLength(parts[1]) <= 100 && parts[1] !== '') return parts
  }
  throw new Error(`a path is too long for an archive: ${path}`)
}
