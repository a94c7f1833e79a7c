package assets

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

func parse(t *testing.T, s string) *html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(s))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// find returns the elements under n named tag, or all if tag is "".
func find(n *html.Node, tag string) (found []*html.Node) {
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && (tag == "" || d.Data == tag) {
			found = append(found, d)
		}
	}
	return found
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, key string) bool {
	for _, a := range n.Attr {
		if a.Key == key {
			return true
		}
	}
	return false
}

// skeleton is a page without its values: elements and attribute names.
func skeleton(doc *html.Node) string {
	var b strings.Builder
	for _, n := range find(doc, "") {
		fmt.Fprintf(&b, "%s(", n.Data)
		for _, a := range n.Attr {
			fmt.Fprintf(&b, " %s", a.Key)
		}
		b.WriteString(")\n")
	}
	return b.String()
}
