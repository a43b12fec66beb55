// Parses every diagram of the pages with Mermaid.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import DOMPurify from 'dompurify'
import mermaid from 'mermaid'

// It works in a browser only, and what Mermaid has it sanitize is not shown here.
Object.assign(DOMPurify, { addHook() {}, sanitize: (text) => text })

const pages = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '../*.md'], { encoding: 'utf8' })
let parsed = 0
for (const page of pages.trim().split('\n')) {
  const source = readFileSync(page, 'utf8')
  for (const { index, 1: diagram } of source.matchAll(/^```mermaid\n(.*?)^```$/gms)) {
    const line = source.slice(0, index).split('\n').length + 1
    try {
      await mermaid.parse(diagram)
      parsed++
    } catch (error) {
      console.error(`${page}:${line}: ${error.message}`)
      process.exitCode = 1
    }
  }
}
console.log(`${parsed} diagrams are valid`)
if (parsed === 0) process.exitCode = 1
