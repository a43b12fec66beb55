// Package docs reads the Markdown pages of this repository, for the tests that
// check their links and their code blocks.
package docs

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// Page is one Markdown file.
type Page struct {
	Path    string // relative to the root of the repository, with slashes
	Source  string
	Anchors []string // of its headings, as GitHub generates them
	Links   []string // targets of links and images, as written
	Code    []string // code spans
	Blocks  []Block
	// Indented counts code blocks that are indented instead of fenced: nothing shows what
	// they are, so that nothing checks them.
	Indented int
}

// Block is a fenced code block.
type Block struct {
	Language string // empty for the output of a program
	Line     int    // of its first line in the page
	Text     string
}

// skipped are directories without pages of the project.
var skipped = []string{"node_modules", "dist", "bin", "testdata"}

// Read returns all pages below the root of the repository.
func Read(root string) ([]Page, error) {
	var pages []Page
	files := os.DirFS(root)
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		switch hidden := name != "." && strings.HasPrefix(entry.Name(), "."); {
		case err != nil:
			return err
		case entry.IsDir() && (hidden || slices.Contains(skipped, entry.Name())):
			return fs.SkipDir
		case entry.IsDir() || path.Ext(name) != ".md":
			return nil
		}
		source, err := fs.ReadFile(files, name)
		if err == nil {
			pages = append(pages, parse(name, source))
		}
		return err
	})
	return pages, err
}

// parse returns the page of a file's content.
func parse(name string, source []byte) Page {
	page := Page{Path: name, Source: string(source)}
	document := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source))
	_ = ast.Walk(document, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			page.add(node, source)
		}
		return ast.WalkContinue, nil
	})
	return page
}

// add adds what a node is to the page.
func (p *Page) add(node ast.Node, source []byte) {
	switch n := node.(type) {
	case *ast.Heading:
		p.Anchors = append(p.Anchors, unique(slug(plain(n, source)), p.Anchors))
	case *ast.Link:
		p.Links = append(p.Links, string(n.Destination))
	case *ast.Image:
		p.Links = append(p.Links, string(n.Destination))
	case *ast.CodeSpan:
		p.Code = append(p.Code, plain(n, source))
	case *ast.CodeBlock:
		p.Indented++
	case *ast.FencedCodeBlock:
		block := Block{Language: string(n.Language(source)), Text: string(n.Lines().Value(source))}
		if n.Lines().Len() > 0 {
			block.Line = 1 + strings.Count(string(source[:n.Lines().At(0).Start]), "\n")
		}
		p.Blocks = append(p.Blocks, block)
	}
}

// plain returns the text of a node without markup.
func plain(node ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(node, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && entering {
			b.Write(t.Segment.Value(source))
			if t.SoftLineBreak() {
				b.WriteByte(' ')
			}
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// slug returns the anchor that GitHub generates for a heading: lower case, no
// punctuation but - and _, and - for a space. docs/.vitepress/config.mts generates
// the same on the site.
func slug(heading string) string {
	keep := func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsNumber(r), unicode.IsMark(r):
			return unicode.ToLower(r)
		default:
			return -1
		}
	}
	return strings.Map(keep, strings.TrimSpace(heading))
}

// unique appends a number to an anchor that is taken, as GitHub does.
func unique(anchor string, taken []string) string {
	for candidate, n := anchor, 1; ; n++ {
		if !slices.Contains(taken, candidate) {
			return candidate
		}
		candidate = fmt.Sprintf("%s-%d", anchor, n)
	}
}
