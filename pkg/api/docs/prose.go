package docs

import "strings"

// A block is a paragraph, or a list of items.
type block struct {
	List  bool
	Lines [][]span // one, unless it is a list
}

// A span is a piece of a line.
type span struct {
	Text string
	Code bool
	Bold bool
}

// prose reads the part of Markdown that the description uses: paragraphs, lists with
// dashes, `code` and **bold**.
func prose(text string) []block {
	var blocks []block
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if paragraph == "" {
			continue
		}
		items, isList := strings.CutPrefix(paragraph, "- ")
		b := block{List: isList}
		if !isList {
			b.Lines = [][]span{spans(paragraph)}
		} else {
			for item := range strings.SplitSeq(items, "\n- ") {
				b.Lines = append(b.Lines, spans(item))
			}
		}
		blocks = append(blocks, b)
	}
	return blocks
}

func spans(text string) []span {
	text = strings.Join(strings.Fields(text), " ")
	var all []span
	for i, part := range strings.Split(text, "`") {
		if i%2 == 1 {
			all = append(all, span{Text: part, Code: true})
			continue
		}
		for j, piece := range strings.Split(part, "**") {
			if piece != "" {
				all = append(all, span{Text: piece, Bold: j%2 == 1})
			}
		}
	}
	return all
}
