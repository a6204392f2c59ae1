// Gives opencode's remote MCP servers a client certificate: an entry with `tls` becomes a local server that runs
// `mcp-mtls connect`. What the files say is read by mcp-mtls alone, and no value of an entry passes through here.
import { execFile } from "node:child_process"
import { accessSync, constants, existsSync, realpathSync, statSync } from "node:fs"
import { homedir } from "node:os"
import { delimiter, dirname, isAbsolute, join, sep } from "node:path"
import { promisify } from "node:util"

// opencode takes every export for a plugin, so there is one.
export default async ({ client, directory, worktree }) => ({
  async config(config) {
    const binary = find(projects(directory, worktree))
    const words = ["connect", "--opencode", directory, "--worktree", worktree, "--"]
    const connect = (name) => ({ type: "local", command: [binary, ...words, name] })
    const { mcp, notes } = await resolve(binary, directory, worktree).catch((error) => {
      // Which entries have `tls` is not known, and opencode has dropped it: none may go out without its certificate.
      // `connect` then tells each of them what is wrong, where opencode shows it.
      const remote = Object.entries(config.mcp ?? {}).filter(([, entry]) => entry?.type === "remote")
      const text = `mcp-mtls: ${error.message} Until then opencode itself connects to no remote MCP server.`
      return { mcp: Object.fromEntries(remote.map(([name]) => [name, connect(name)])), notes: [text] }
    })
    config.mcp ??= {}
    for (const [name, entry] of Object.entries(mcp)) {
      // opencode has read more files than ours: what an administrator has switched off stays off.
      const { enabled = entry.enabled, timeout = entry.timeout } = config.mcp[name] ?? {}
      config.mcp[name] = { ...entry, enabled, timeout }
    }
    // Not waited for: what takes them is not up before this returns.
    for (const message of notes) {
      client.app.log({ body: { service: "mcp-mtls", level: "warn", message } }).catch(() => {})
    }
    if (notes.length) {
      const message = notes.length === 1 ? notes[0] : `${notes.length} MCP servers are refused. The log says why.`
      client.tui.showToast({ body: { title: "mcp-mtls", message, variant: "warning" } }).catch(() => {})
    }
  },
})

async function resolve(binary, directory, worktree) {
  if (binary.endsWith(RELATIVE)) throw new Error(`${RELATIVE}.`)
  const words = ["hosts", "opencode", "resolve", "--directory", directory, "--worktree", worktree]
  const run = promisify(execFile)(binary, words, { timeout: 10_000, maxBuffer: 16 << 20, windowsHide: true })
  const { stdout } = await run.catch(({ code, stderr }) => {
    const missing = code === "ENOENT" && `${binary} is not there; install it, or set MCP_MTLS to its absolute path.`
    throw new Error(missing || stderr?.trim() || "it did not answer within 10 s.")
  })
  return JSON.parse(stdout)
}

/** The binary: what MCP_MTLS names, or the first in PATH, or the one in ~/.local/bin; never one of the project. */
function find(roots) {
  // Which file a relative path means would be up to the project; nothing is at this one.
  if (process.env.MCP_MTLS) return isAbsolute(process.env.MCP_MTLS) ? process.env.MCP_MTLS : join(homedir(), RELATIVE)
  const name = process.platform === "win32" ? "mcp-mtls.exe" : "mcp-mtls"
  // Without a repository the working tree is `/`, which ends in the separator already: nothing is within it here.
  const isTheirs = (folder) => roots.some((root) => (real(folder) + sep).startsWith(root + sep))
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => isAbsolute(folder) && !isTheirs(folder))
  return folders.map((folder) => join(folder, name)).find(runs) ?? join(homedir(), ".local", "bin", name)
}

/** What may have come with the project; a repository within another one hides that from git. */
function projects(directory, worktree) {
  const roots = [real(directory), real(worktree)]
  const home = real(homedir()) + sep
  for (let at = roots[0]; at !== dirname(at); at = dirname(at)) {
    if (existsSync(join(at, ".git")) && !home.startsWith(at + sep)) roots.push(at)
  }
  return roots
}

const RELATIVE = "MCP_MTLS is no absolute path"

function real(folder) {
  try {
    return realpathSync.native(folder)
  } catch { return folder }
}

function runs(path) {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch { return false }
}
