package output

// Node is a line with lines below it.
type Node struct {
	Line     []Span
	Children []Node
}

// Add adds a child of plain text, formatted like fmt.Sprintf.
func (n *Node) Add(format string, args ...any) {
	n.Children = append(n.Children, Node{Line: []Span{T(format, args...)}})
}

// Tree writes a node and all below it.
func (p *Printer) Tree(n Node) { p.tree(n, "", "") }

// tree writes n after first, and what is below it after rest.
func (p *Printer) tree(n Node, first, rest string) {
	p.Line(append([]Span{In(Dim, "%s", first)}, n.Line...)...)
	for i, child := range n.Children {
		if i+1 < len(n.Children) {
			p.tree(child, rest+"├─ ", rest+"│  ")
		} else {
			p.tree(child, rest+"└─ ", rest+"   ")
		}
	}
}
