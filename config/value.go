package config

import "go.yaml.in/yaml/v3"

// Value is a value that is to be written into a file.
type Value struct{ node *yaml.Node }

// Text is a text; it is quoted where the file would take it for something else.
func Text(s string) Value {
	return Value{&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}}
}

// Yes is true.
func Yes() Value { return Value{&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"}} }

// Mapping has keys with values, in lines.
func Mapping() Value { return Value{&yaml.Node{Kind: yaml.MappingNode}} }

// List has items, in lines.
func List(items ...Value) Value {
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for _, i := range items {
		n.Content = append(n.Content, i.node)
	}
	return Value{n}
}

// InLine is a mapping or list that is written between brackets.
func (v Value) InLine() Value {
	copied := *v.node
	copied.Style = yaml.FlowStyle
	return Value{&copied}
}

// Put adds a key to a mapping.
func (v Value) Put(key string, value Value) {
	v.node.Content = append(v.node.Content, Text(key).node, value.node)
}

// PutText adds a key with a text to a mapping, unless the text is empty.
func (v Value) PutText(key, text string) {
	if text != "" {
		v.Put(key, Text(text))
	}
}
