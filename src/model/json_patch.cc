#include "model/json_patch.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "model/json_text.h"

namespace minikube {
namespace {

using Json = nlohmann::json;

// kube-apiserver gives no reason beyond the first sentence; the cause is where kubectl looks for one.
Status Fails(std::string why) {
  StatusDetails details;
  details.causes.push_back({"FieldValueInvalid", std::move(why), "patch"});
  return {Code::kInvalid, "the server rejected our request due to an error in our request", std::move(details)};
}

// A JSON pointer (RFC 6901), split and unescaped.
class Pointer {
 public:
  static Result<Pointer> Parse(const Json& operation, const char* member, std::size_t max_steps) {
    const auto it = operation.find(member);
    if (it == operation.end() || !it->is_string()) return Fails(fmt::format("operation without \"{}\"", member));
    Pointer out;
    out.text_ = it->get<std::string>();
    if (out.text_.empty()) return out;
    if (out.text_[0] != '/') return Fails(fmt::format("\"{}\" does not start with \"/\": {}", member, out.text_));
    std::string step;
    for (std::size_t i = 1; i <= out.text_.size(); ++i) {
      if (i == out.text_.size() || out.text_[i] == '/') {
        if (out.steps_.size() == max_steps)
          return Fails(fmt::format("\"{}\" has more than {} steps", member, max_steps));
        out.steps_.push_back(std::exchange(step, {}));
      } else if (out.text_[i] != '~') {
        step += out.text_[i];
      } else {
        const char escaped = ++i < out.text_.size() ? out.text_[i] : '\0';
        if (escaped != '0' && escaped != '1')
          return Fails(fmt::format("\"{}\" has a bad escape: {}", member, out.text_));
        step += escaped == '0' ? '~' : '/';
      }
    }
    return out;
  }

  const std::string& text() const { return text_; }
  bool root() const { return steps_.empty(); }
  const std::string& last() const { return steps_.back(); }
  // True if this is a place inside the value at `outer`.
  bool Within(const Pointer& outer) const {
    return steps_.size() > outer.steps_.size() && std::equal(outer.steps_.begin(), outer.steps_.end(), steps_.begin());
  }

  Json* Find(Json& document) const { return Walk(document, steps_.size()); }
  Json* FindParent(Json& document) const { return Walk(document, steps_.size() - 1); }

  // An array index below `limit`.
  static std::optional<std::size_t> Index(std::string_view step, std::size_t limit) {
    std::size_t index = 0;
    if (step.empty() || (step.size() > 1 && step[0] == '0')) return std::nullopt;
    const auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), index);
    if (error != std::errc() || end != step.data() + step.size() || index >= limit) return std::nullopt;
    return index;
  }

 private:
  Json* Walk(Json& document, std::size_t count) const {
    Json* at = &document;
    for (std::size_t i = 0; i < count; ++i) {
      if (at->is_object()) {
        const auto it = at->find(steps_[i]);
        if (it == at->end()) return nullptr;
        at = &*it;
      } else if (at->is_array()) {
        const std::optional<std::size_t> index = Index(steps_[i], at->size());
        if (!index) return nullptr;
        at = &(*at)[*index];
      } else {
        return nullptr;
      }
    }
    return at;
  }

  std::string text_;
  std::vector<std::string> steps_;
};

class Patcher {
 public:
  Patcher(Json& document, const JsonPatchLimits& limits) : document_(document), limits_(limits) {}

  Status Apply(const Json& operation) {
    const auto op_member = operation.find("op");
    if (op_member == operation.end() || !op_member->is_string()) return Fails("operation without \"op\"");
    const std::string op = op_member->get<std::string>();
    Result<Pointer> path = Pointer::Parse(operation, "path", limits_.max_path_steps);
    if (!path) return path.status();
    if (op == "remove") return Remove(*path, op);
    if (op == "add" || op == "replace" || op == "test") {
      const auto value = operation.find("value");
      if (value == operation.end()) return Fails(fmt::format("{} operation without \"value\"", op));
      if (op == "add") return Add(*path, *value, op);
      return op == "replace" ? Replace(*path, *value) : Test(*path, *value);
    }
    if (op != "move" && op != "copy") return Fails(fmt::format("unknown operation \"{}\"", op));
    Result<Pointer> from = Pointer::Parse(operation, "from", limits_.max_path_steps);
    if (!from) return from.status();
    Json* source = from->Find(document_);
    if (source == nullptr) return Missing(op, *from);
    if (op == "copy") {
      copied_bytes_ += JsonText(*source).size();
      if (copied_bytes_ > limits_.max_copied_bytes) {
        return Fails(fmt::format("copy operations exceed {} bytes", limits_.max_copied_bytes));
      }
      return Add(*path, Json(*source), op);
    }
    if (path->Within(*from)) return Fails(fmt::format("move operation from {} into itself", from->text()));
    Json value = std::move(*source);
    if (!from->root()) {
      if (Status removed = Remove(*from, op); !removed.ok()) return removed;
    }
    return Add(*path, std::move(value), op);
  }
  bool test_failed() const { return test_failed_; }

 private:
  static Status Missing(std::string_view op, const Pointer& path) {
    return Fails(fmt::format("{} operation does not apply: doc is missing path: {}", op, path.text()));
  }

  Status Add(const Pointer& path, Json value, std::string_view op) {
    if (path.root()) {
      document_ = std::move(value);
      return {};
    }
    Json* parent = path.FindParent(document_);
    if (parent == nullptr) return Missing(op, path);
    if (parent->is_object()) {
      (*parent)[path.last()] = std::move(value);
    } else if (parent->is_array()) {
      const std::optional<std::size_t> index =
          path.last() == "-" ? parent->size() : Pointer::Index(path.last(), parent->size() + 1);
      if (!index) return Fails(fmt::format("{} operation does not apply: invalid array index: {}", op, path.text()));
      parent->insert(parent->begin() + static_cast<std::ptrdiff_t>(*index), std::move(value));
    } else {
      return Missing(op, path);
    }
    return {};
  }

  Status Remove(const Pointer& path, std::string_view op) {
    if (path.root()) return Fails("remove operation does not apply to the whole document");
    if (path.Find(document_) == nullptr) return Missing(op, path);
    Json* parent = path.FindParent(document_);
    if (parent->is_object()) {
      parent->erase(path.last());
    } else {
      parent->erase(*Pointer::Index(path.last(), parent->size()));
    }
    return {};
  }

  Status Replace(const Pointer& path, const Json& value) {
    Json* parent = path.root() ? nullptr : path.FindParent(document_);
    if (parent != nullptr && parent->is_object()) {
      (*parent)[path.last()] = value;
      return {};
    }
    Json* target = path.Find(document_);
    if (target == nullptr) return Missing("replace", path);
    *target = value;
    return {};
  }

  Status Test(const Pointer& path, const Json& value) {
    const Json* target = path.Find(document_);
    if (target == nullptr ? value.is_null() : *target == value) return {};
    test_failed_ = true;
    return Fails(fmt::format("testing value {} failed", path.text()));
  }

  Json& document_;
  const JsonPatchLimits& limits_;
  std::size_t copied_bytes_ = 0;
  bool test_failed_ = false;
};

}  // namespace

Status JsonPatch(Json& document, const Json& patch, const JsonPatchLimits& limits, bool* test_failed) {
  if (!patch.is_array()) {
    return {Code::kBadRequest, fmt::format("json: cannot unmarshal {} into Go value of type jsonpatch.Patch",
                                           patch.is_object() ? "object" : patch.type_name())};
  }
  if (patch.size() > limits.max_operations) {
    return {Code::kTooLarge,
            fmt::format("Request entity is too large: The allowed maximum operations in a JSON patch is {}, got {}",
                        limits.max_operations, patch.size())};
  }
  Patcher patcher(document, limits);
  for (const Json& operation : patch) {
    if (!operation.is_object()) {
      return {Code::kBadRequest, "json: cannot unmarshal into Go value of type jsonpatch.Operation"};
    }
    const Status applied = patcher.Apply(operation);
    if (test_failed != nullptr) *test_failed = patcher.test_failed();
    if (!applied.ok()) return applied;
  }
  return {};
}

void JsonMergePatch(Json& document, Json patch) {
  if (!patch.is_object()) {
    document = std::move(patch);
    return;
  }
  if (!document.is_object()) document = Json::object();
  for (auto& [name, value] : patch.items()) {
    if (value.is_null()) {
      document.erase(name);
    } else {
      JsonMergePatch(document[name], std::move(value));
    }
  }
}

}  // namespace minikube
