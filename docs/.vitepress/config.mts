// The documentation as a site: `make docs`. The pages are written for GitHub; what
// differs on the site is adapted here.
import { readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig, type DefaultTheme } from 'vitepress'

const repository = 'https://github.com/podidentity/podidentity-operator'
const index = readFileSync(fileURLToPath(new URL('../README.md', import.meta.url)), 'utf8')

// sidebar is the index page: a heading is a group, and each link in its list a page.
function sidebar(): DefaultTheme.SidebarItem[] {
  return index.split(/^## /m).slice(1).map((section) => ({
    text: section.slice(0, section.indexOf('\n')),
    items: [...section.matchAll(/\[([^\]]+)\]\(([^)]+)\)/g)].map(([, text, target]) => ({
      text: text[0].toUpperCase() + text.slice(1),
      link: onSite(target, 'README.md'),
    })),
  }))
}

// onSite returns a link of a page as the site needs it: a README is its folder's
// index, and a file outside of docs is in the repository.
function onSite(target: string, page: string): string {
  if (/^[a-z]+:|^#/.test(target)) return target
  const path = posix.join('docs', posix.dirname(page), target)
  if (!path.startsWith('docs/')) return `${repository}/blob/main/${path}`
  return path.slice('docs'.length).replace(/\/README\.md/, '/')
}

// slug makes anchors as GitHub does.
function slug(heading: string): string {
  return heading.trim().toLowerCase().replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '').replaceAll(' ', '-')
}

export default defineConfig({
  title: 'PodIdentity operator',
  description: 'AWS permissions for Kubernetes workloads, from one resource',
  cleanUrls: true,
  rewrites: {
    'README.md': 'index.md',
    ':folder/README.md': ':folder/index.md',
  },
  markdown: {
    anchor: { slugify: slug },
    languageAlias: { promql: 'sql' }, // there is no grammar for it
    config: (md) => {
      md.core.ruler.push('repository-links', (state) => {
        for (const token of state.tokens.flatMap((t) => t.children ?? [])) {
          const href = token.type === 'link_open' && token.attrGet('href')
          if (href) token.attrSet('href', onSite(href, state.env.relativePath))
        }
      })
      const fence = md.renderer.rules.fence!
      md.renderer.rules.fence = (tokens, i, ...rest) =>
        tokens[i].info.trim() === 'mermaid'
          ? `<Diagram code="${encodeURIComponent(tokens[i].content)}" />\n`
          : fence(tokens, i, ...rest)
    },
  },
  vite: { build: { chunkSizeWarningLimit: 2000 } }, // mermaid
  themeConfig: {
    nav: [
      { text: 'Getting started', link: '/getting-started-eks' },
      { text: 'API', link: '/api' },
      { text: 'Troubleshooting', link: '/troubleshooting' },
    ],
    sidebar: sidebar(),
    outline: [2, 3],
    search: { provider: 'local' },
    socialLinks: [{ icon: 'github', link: repository }],
  },
})
