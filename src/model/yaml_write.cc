// JSON to YAML in the style of kubectl: block style, keys sorted, lists not indented below their key, quotes only where
// a plain scalar would mean something else.
#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <minikube/codec.h>

#include "model/json_reader.h"
#include "model/yaml_scalar.h"

namespace minikube {
namespace model {
namespace {

struct Node {
  enum class Kind : std::uint8_t { kLiteral, kString, kList, kMap };
  Kind kind = Kind::kLiteral;
  std::string text;  // kLiteral: as in JSON; kString: the characters
  std::vector<Node> items;
  std::vector<std::string> keys;  // kMap: of the items
};

constexpr int kMaxDepth = 1000;

bool Build(JsonReader& reader, Node& node) {
  using Token = JsonReader::Token;
  switch (reader.Peek()) {
    case Token::kNone:
      return false;
    case Token::kObject: {
      node.kind = Node::Kind::kMap;
      reader.BeginObject();
      std::vector<std::pair<std::string, Node>> members;
      for (std::string_view key; reader.NextKey(&key);) {
        members.emplace_back(key, Node());
        if (!Build(reader, members.back().second)) return false;
      }
      std::stable_sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
      for (auto& [key, value] : members) {
        if (!node.keys.empty() && node.keys.back() == key) {
          node.items.back() = std::move(value);  // the last of duplicates counts
          continue;
        }
        node.keys.push_back(std::move(key));
        node.items.push_back(std::move(value));
      }
      return reader.ok();
    }
    case Token::kArray:
      node.kind = Node::Kind::kList;
      reader.BeginArray();
      while (reader.NextElement()) {
        if (!Build(reader, node.items.emplace_back())) return false;
      }
      return reader.ok();
    case Token::kString: {
      std::string_view text;
      if (!reader.ReadString(&text)) return false;
      node.kind = Node::Kind::kString;
      node.text = text;
      return true;
    }
    default: {
      std::string_view text;
      if (!reader.Skip(&text)) return false;
      node.text = text;
      return true;
    }
  }
}

// Which of the ways to write a string its characters allow (YAML 1.2, chapters 7 and 8, block context).
struct Allowed {
  bool plain = true;
  bool single_quoted = true;
  bool literal = true;
};

bool IsBlank(std::string_view text, std::size_t i) {
  return i >= text.size() || text[i] == ' ' || text[i] == '\t' || text[i] == '\n';
}

bool IsUnprintable(std::string_view text, std::size_t i) {
  const auto at = [&](std::size_t k) { return k < text.size() ? static_cast<unsigned char>(text[k]) : 0U; };
  const unsigned c = at(i);
  if (c < 0x20) return c != '\n';
  if (c == 0x7f) return true;
  if (c == 0xc2) return at(i + 1) < 0xa0;                                             // C1 controls
  if (c == 0xe2 && at(i + 1) == 0x80) return at(i + 2) == 0xa8 || at(i + 2) == 0xa9;  // line separators
  if (c == 0xef && at(i + 1) == 0xbb) return at(i + 2) == 0xbf;                       // byte order mark
  if (c == 0xef && at(i + 1) == 0xbf) return at(i + 2) >= 0xbe;                       // noncharacters
  return false;
}

Allowed Analyse(std::string_view text) {
  Allowed allowed;
  if (text.empty()) return {.plain = false, .single_quoted = true, .literal = false};
  constexpr std::string_view kIndicators = "#,[]{}&*!|>'\"%@`";
  bool indicators = text.starts_with("---") || text.starts_with("...");
  indicators = indicators || kIndicators.find(text[0]) != std::string_view::npos;
  indicators = indicators || ((text[0] == '?' || text[0] == '-') && IsBlank(text, 1));
  bool unprintable = false;
  bool breaks = false;
  bool space_before_break = false;
  bool space_after_break = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    indicators = indicators || (c == ':' && IsBlank(text, i + 1));
    indicators = indicators || (c == '#' && i > 0 && IsBlank(text, i - 1));
    unprintable = unprintable || IsUnprintable(text, i);
    breaks = breaks || c == '\n';
    if (i == 0) continue;
    space_before_break = space_before_break || (c == '\n' && text[i - 1] == ' ');
    space_after_break = space_after_break || (c == ' ' && text[i - 1] == '\n');
  }
  const bool edge_space = text.front() == ' ' || text.back() == ' ' || text.front() == '\n' || text.back() == '\n';
  allowed.plain = !indicators && !edge_space && !breaks && !unprintable;
  allowed.single_quoted = !breaks && !unprintable && !space_after_break;
  allowed.literal = breaks && !unprintable && !space_before_break && text.back() != ' ';
  return allowed;
}

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  // At the place where the node's first character goes; `indent` is that of the lines of a map or list.
  void Block(const Node& node, std::size_t indent) {
    switch (node.kind) {
      case Node::Kind::kLiteral:
        out_ += node.text;
        out_ += '\n';
        return;
      case Node::Kind::kString:
        String(node.text, indent);
        out_ += '\n';
        return;
      case Node::Kind::kList:
        if (node.items.empty()) {
          out_ += "[]\n";
          return;
        }
        for (std::size_t i = 0; i < node.items.size(); ++i) {
          if (i != 0) out_.append(indent, ' ');
          out_ += "- ";
          Block(node.items[i], indent + 2);
        }
        return;
      case Node::Kind::kMap:
        if (node.items.empty()) {
          out_ += "{}\n";
          return;
        }
        for (std::size_t i = 0; i < node.items.size(); ++i) {
          if (i != 0) out_.append(indent, ' ');
          Key(node.keys[i], indent);
          Member(node.items[i], indent);
        }
        return;
    }
  }

 private:
  static constexpr std::size_t kMaxSimpleKey = 128;

  void Key(const std::string& key, std::size_t indent) {
    const bool simple = key.size() <= kMaxSimpleKey;
    if (!simple) out_ += "? ";
    Inline(key);
    if (!simple) {
      out_ += '\n';
      out_.append(indent, ' ');
    }
    out_ += ':';
  }
  void Member(const Node& node, std::size_t indent) {
    const bool empty = node.items.empty();
    if (node.kind == Node::Kind::kMap && !empty) {
      out_ += '\n';
      out_.append(indent + 2, ' ');
      Block(node, indent + 2);
    } else if (node.kind == Node::Kind::kList && !empty) {
      out_ += '\n';
      out_.append(indent, ' ');
      Block(node, indent);
    } else {
      out_ += ' ';
      Block(node, indent + 2);
    }
  }
  void String(const std::string& text, std::size_t indent) {
    if (text.find('\n') != std::string::npos && Analyse(text).literal) {
      Literal(text, indent);
    } else {
      Inline(text);
    }
  }
  void Literal(std::string_view text, std::size_t indent) {
    out_ += '|';
    if (text[0] == ' ' || text[0] == '\n') out_ += '2';
    if (text.back() != '\n') {
      out_ += '-';
    } else if (text.size() == 1 || text[text.size() - 2] == '\n') {
      out_ += '+';
    }
    if (text.back() == '\n') text.remove_suffix(1);
    for (std::size_t pos = 0;;) {
      const std::size_t end = std::min(text.find('\n', pos), text.size());
      out_ += '\n';
      if (end != pos) out_.append(std::max<std::size_t>(indent, 2), ' ');
      out_.append(text.substr(pos, end - pos));
      if (end == text.size()) return;
      pos = end + 1;
    }
  }
  void Inline(std::string_view text) {
    const Allowed allowed = Analyse(text);
    if (ResolveYamlScalar(text, nullptr) != YamlScalar::kString || LooksSexagesimal(text)) {
      DoubleQuoted(text);
    } else if (allowed.plain) {
      out_ += text;
    } else if (allowed.single_quoted) {
      out_ += '\'';
      for (const char c : text) out_.append(c == '\'' ? 2 : 1, c);
      out_ += '\'';
    } else {
      DoubleQuoted(text);
    }
  }
  // 190:20:30 was a number in YAML 1.1, and still is to some readers.
  static bool LooksSexagesimal(std::string_view text) {
    return text.find(':') != std::string_view::npos &&
           text.find_first_not_of("0123456789:._-+") == std::string_view::npos;
  }
  void DoubleQuoted(std::string_view text) {
    out_ += '"';
    for (std::size_t i = 0; i < text.size();) {
      std::size_t size = 1;
      while (i + size < text.size() && (static_cast<unsigned char>(text[i + size]) & 0xc0) == 0x80) ++size;
      if (text[i] == '"' || text[i] == '\\') {
        out_ += '\\';
        out_ += text[i];
      } else if (text[i] == '\n') {
        out_ += "\\n";
      } else if (text[i] == '\t') {
        out_ += "\\t";
      } else if (IsUnprintable(text, i)) {
        Escape(text.substr(i, size));
      } else {
        out_ += text.substr(i, size);
      }
      i += size;
    }
    out_ += '"';
  }
  // One unprintable character; all of them are below U+10000.
  void Escape(std::string_view c) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(c[i])); };
    unsigned point = byte(0);
    if (c.size() == 2) point = (point & 0x1f) << 6 | (byte(1) & 0x3f);
    if (c.size() == 3) point = (point & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
    fmt::format_to(std::back_inserter(out_), "\\u{:04x}", point);
  }

  std::string& out_;
};

}  // namespace
}  // namespace model

Result<std::string> JsonToYaml(std::string_view json) {
  model::JsonReader reader(json, model::kMaxDepth);
  model::Node root;
  if (!model::Build(reader, root) || !reader.End()) return Status(Code::kBadRequest, reader.error());
  std::string yaml;
  model::Writer(yaml).Block(root, 0);
  return yaml;
}

std::string EncodeYaml(const Object& object) {
  // Only raw JSON that a host put into the object can be malformed; JSON is YAML as far as it goes.
  const std::string json = EncodeJson(object);
  const Result<std::string> yaml = JsonToYaml(json);
  return yaml ? *yaml : json;
}

}  // namespace minikube
