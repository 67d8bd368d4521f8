// YAML to JSON text: yaml-cpp's parser events build a tree (anchors need one), which is then written as JSON.
#include <exception>
#include <istream>
#include <optional>
#include <streambuf>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <simdjson.h>
#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <minikube/codec.h>

#include "model/json_codec.h"
#include "model/scalar_text.h"
#include "model/yaml_scalar.h"

namespace minikube {
namespace model {
namespace {

// Thrown out of yaml-cpp's parser by the handler below, and caught by YamlToJson.
struct Refused {
  std::string message;
};

struct Node {
  enum class Kind : std::uint8_t { kScalar, kString, kMerge, kList, kMap };
  Kind kind = Kind::kScalar;
  std::string text;                // kScalar: JSON text; kString: the characters
  std::vector<std::size_t> items;  // kList: elements; kMap: keys and values in turn
};

class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(int max_depth, std::string_view text) : max_depth_(max_depth), text_(text) {}

  const std::vector<Node>& nodes() const { return nodes_; }
  bool has_root() const { return has_root_; }
  std::size_t root() const { return root_; }

  // Where the document begins.
  const YAML::Mark& start() const { return start_; }

  void OnDocumentStart(const YAML::Mark& mark) override { start_ = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t anchor) override { Add({Node::Kind::kScalar, "null", {}}, anchor); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (anchor >= anchors_.size()) throw Refused{fmt::format("line {}: unknown anchor", mark.line + 1)};
    Attach(anchors_[anchor]);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (tag == "!" && value.empty() && IsLastCharacter(mark)) {
      // yaml-cpp takes a quote at the very end for an empty string.
      throw Refused{fmt::format("line {}: found unexpected end of stream", mark.line + 1)};
    }
    Add(Scalar(mark, tag, value), anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, Node::Kind::kList, anchor);
  }
  void OnSequenceEnd() override { open_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, Node::Kind::kMap, anchor);
  }
  void OnMapEnd() override { open_.pop_back(); }

 private:
  bool IsLastCharacter(const YAML::Mark& mark) const {
    return (text_.back() == '"' || text_.back() == '\'') && static_cast<std::size_t>(mark.pos) + 1 == text_.size();
  }
  Node Scalar(const YAML::Mark& mark, const std::string& tag, const std::string& value) {
    constexpr std::string_view kLong = "tag:yaml.org,2002:";
    const std::string_view name =
        std::string_view(tag).starts_with(kLong) ? std::string_view(tag).substr(kLong.size()) : std::string_view(tag);
    if (name == "!" || name == "str") return {Node::Kind::kString, value, {}};
    if (name == "binary") {
      std::optional<std::string> bytes = DecodeBase64(value);
      if (!bytes) throw Refused{fmt::format("line {}: !!binary value contains invalid base64 data", mark.line + 1)};
      return {Node::Kind::kString, std::move(*bytes), {}};
    }
    std::string json;
    switch (ResolveYamlScalar(value, &json)) {
      case YamlScalar::kNull:
        return {Node::Kind::kScalar, "null", {}};
      case YamlScalar::kBool:
      case YamlScalar::kNumber:
        return {Node::Kind::kScalar, std::move(json), {}};
      case YamlScalar::kNotFinite:
        throw Refused{fmt::format("line {}: {} is not a number in JSON", mark.line + 1, value)};
      case YamlScalar::kMerge:
        return {Node::Kind::kMerge, value, {}};
      case YamlScalar::kString:
      case YamlScalar::kTimestamp:
        break;
    }
    return {Node::Kind::kString, value, {}};
  }
  void Attach(std::size_t node) {
    if (!open_.empty()) {
      nodes_[open_.back()].items.push_back(node);
    } else {
      root_ = node;
      has_root_ = true;
    }
  }
  std::size_t Add(Node node, YAML::anchor_t anchor) {
    const std::size_t index = nodes_.size();
    nodes_.push_back(std::move(node));
    if (anchor != YAML::NullAnchor) {
      if (anchors_.size() <= anchor) anchors_.resize(anchor + 1);
      anchors_[anchor] = index;
    }
    Attach(index);
    return index;
  }
  void Open(const YAML::Mark& mark, Node::Kind kind, YAML::anchor_t anchor) {
    if (open_.size() >= static_cast<std::size_t>(max_depth_)) {
      throw Refused{fmt::format("line {}: nested too deeply", mark.line + 1)};
    }
    open_.push_back(Add({kind, "", {}}, anchor));
  }

  int max_depth_;
  YAML::Mark start_;
  std::string_view text_;
  std::vector<Node> nodes_;
  std::vector<std::size_t> anchors_;
  std::vector<std::size_t> open_;  // the containers we are in
  std::size_t root_ = 0;
  bool has_root_ = false;
};

// Aliases are written out where they stand, so a small text can ask for a huge one: what it may become is bounded.
class JsonWriter {
 public:
  JsonWriter(const std::vector<Node>& nodes, std::size_t limit, int max_depth, std::string& out)
      : nodes_(nodes), limit_(limit), depth_left_(max_depth), out_(out) {}

  void Write(std::size_t index) {
    const Node& node = nodes_[index];
    if (out_.size() > limit_) throw Refused{"document contains excessive aliasing"};
    switch (node.kind) {
      case Node::Kind::kScalar:
        out_ += node.text;
        return;
      case Node::Kind::kString:
      case Node::Kind::kMerge:
        AppendJsonString(node.text, out_);
        return;
      case Node::Kind::kList: {
        const Nested nested(*this);
        out_ += '[';
        for (std::size_t i = 0; i < node.items.size(); ++i) {
          if (i != 0) out_ += ',';
          Write(node.items[i]);
        }
        out_ += ']';
        return;
      }
      case Node::Kind::kMap: {
        const Nested nested(*this);
        out_ += '{';
        bool first = true;
        for (std::size_t i = 0; i + 1 < node.items.size(); i += 2) {
          if (nodes_[node.items[i]].kind != Node::Kind::kMerge) Member(node.items[i], node.items[i + 1], first);
        }
        Merges(node, first);
        out_ += '}';
        return;
      }
    }
  }

 private:
  struct Nested {
    explicit Nested(JsonWriter& w) : writer(w) {
      // Reached only through an alias of an enclosing node: the parser has checked the rest.
      if (writer.depth_left_-- <= 0) throw Refused{"nested too deeply"};
    }
    ~Nested() { ++writer.depth_left_; }
    JsonWriter& writer;
  };

  std::string_view KeyOf(std::size_t index) const {
    const Node& key = nodes_[index];
    if (key.kind == Node::Kind::kList || key.kind == Node::Kind::kMap) {
      throw Refused{"a mapping key must be a scalar"};
    }
    return key.text;
  }
  void Member(std::size_t key, std::size_t value, bool& first) {
    if (!first) out_ += ',';
    first = false;
    AppendJsonString(KeyOf(key), out_);
    out_ += ':';
    Write(value);
  }
  // `<<: *base` adds the members of the base (or of several) that the map does not have.
  void Merges(const Node& node, bool& first) {
    std::unordered_set<std::string_view> have;
    for (std::size_t i = 0; i + 1 < node.items.size(); i += 2) {
      if (nodes_[node.items[i]].kind != Node::Kind::kMerge) continue;
      if (have.empty()) {
        for (std::size_t k = 0; k + 1 < node.items.size(); k += 2) have.insert(KeyOf(node.items[k]));
      }
      const Node& base = nodes_[node.items[i + 1]];
      if (base.kind == Node::Kind::kList) {
        for (const std::size_t item : base.items) Merge(nodes_[item], have, first);
      } else {
        Merge(base, have, first);
      }
    }
  }
  void Merge(const Node& base, std::unordered_set<std::string_view>& have, bool& first) {
    if (base.kind != Node::Kind::kMap) throw Refused{"map merge requires map or sequence of maps as the value"};
    const Nested nested(*this);
    for (std::size_t i = 0; i + 1 < base.items.size(); i += 2) {
      const Node& key = nodes_[base.items[i]];
      if (key.kind == Node::Kind::kMerge) {
        const Node& next = nodes_[base.items[i + 1]];
        if (next.kind == Node::Kind::kList) {
          for (const std::size_t item : next.items) Merge(nodes_[item], have, first);
        } else {
          Merge(next, have, first);
        }
      } else if (have.insert(KeyOf(base.items[i])).second) {
        Member(base.items[i], base.items[i + 1], first);
      }
    }
  }

  const std::vector<Node>& nodes_;
  std::size_t limit_;
  int depth_left_;
  std::string& out_;
};

// The parser wants a stream; this one reads the caller's bytes in place.
class ViewBuffer final : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // a get area is never written to
    setg(begin, begin, begin + text.size());
  }
};

}  // namespace
}  // namespace model

Result<std::string> YamlToJson(std::string_view yaml, int max_depth) {
  // Escapes make JSON a few times longer than YAML; beyond that it must be aliases.
  constexpr std::size_t kFactor = 16;
  constexpr std::size_t kAllowance = std::size_t{1} << 20;
  if (!simdjson::validate_utf8(yaml.data(), yaml.size())) {
    return Status(Code::kBadRequest, "error converting YAML to JSON: yaml: the text is not UTF-8");
  }
  const auto refuse = [](std::string_view what) {
    return Status(Code::kBadRequest, fmt::format("error converting YAML to JSON: yaml: {}", what));
  };
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (yaml.starts_with(kByteOrderMark)) yaml.remove_prefix(kByteOrderMark.size());
  try {
    model::ViewBuffer buffer(yaml);
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    model::TreeBuilder tree(max_depth, yaml);
    parser.HandleNextDocument(tree);
    if (!tree.has_root()) return std::string("null");
    model::TreeBuilder rest(max_depth, yaml);
    int before = tree.start().pos;
    while (parser.HandleNextDocument(rest)) {
      // A stray indicator, such as a comma, yaml-cpp leaves in place: it would give empty documents for ever.
      if (rest.start().pos == before) {
        return refuse(fmt::format("line {}: did not find expected node content", rest.start().line + 1));
      }
      before = rest.start().pos;
      if (rest.has_root() && (rest.nodes().size() > 1 || rest.nodes()[0].text != "null")) {
        return refuse("expected a single document");
      }
      rest = model::TreeBuilder(max_depth, yaml);
    }
    std::string json;
    model::JsonWriter(tree.nodes(), kAllowance + kFactor * yaml.size(), max_depth, json).Write(tree.root());
    return json;
  } catch (const model::Refused& refused) {
    return refuse(refused.message);
  } catch (const YAML::Exception& error) {
    return refuse(error.mark.is_null() ? error.msg : fmt::format("line {}: {}", error.mark.line + 1, error.msg));
  } catch (const std::exception& error) {
    return refuse(error.what());
  }
}

}  // namespace minikube
