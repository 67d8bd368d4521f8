#include "model/json_tree.h"

#include <algorithm>
#include <utility>

#include <minikube/codec.h>

#include "model/intern.h"

namespace minikube {
namespace model {

void JsonTreeReader::Duplicate(const std::string& /*path*/) {}

bool JsonTreeReader::Read(Json* out) { return Value(out, nullptr); }

bool JsonTreeReader::Value(Json* out, const Place* place) {
  if (nodes_left_ == 0) {
    too_many_ = true;
    return false;
  }
  --nodes_left_;
  std::string_view text;
  switch (r_.Peek()) {
    case JsonReader::Token::kObject:
      return Object(out, place);
    case JsonReader::Token::kArray:
      return Array(out, place);
    case JsonReader::Token::kString:
      if (!r_.ReadString(&text)) return false;
      *out = Json::String(text);
      return true;
    case JsonReader::Token::kNumber:
      if (!r_.ReadNumber(&text)) return false;
      *out = Json::Number(text);
      return true;
    case JsonReader::Token::kBool: {
      bool value = false;
      if (!r_.ReadBool(&value)) return false;
      *out = Json::Bool(value);
      return true;
    }
    case JsonReader::Token::kNull:
      *out = Json::Null();
      return r_.ReadNull();
    case JsonReader::Token::kNone:
      break;
  }
  return false;
}

bool JsonTreeReader::Object(Json* out, const Place* place) {
  if (!r_.BeginObject()) return false;
  std::vector<JsonMember> members;
  for (std::string_view key; r_.NextKey(&key);) {
    JsonMember& member = members.emplace_back();
    member.key = ThreadStrCache().Get(key);
    const Str held = member.key;  // the value may move the vector's memory, not the key's own
    const Place here{place, held.view(), 0};
    Json value;
    if (!Value(&value, &here)) return false;
    members.back().value = std::move(value);
    if (!WantsDuplicates()) continue;
    const auto last = members.end() - 1;
    if (std::find_if(members.begin(), last, [&](const JsonMember& m) { return m.key == held; }) == last) continue;
    std::string path;
    std::vector<const Place*> steps;
    for (const Place* step = &here; step != nullptr; step = step->parent) steps.push_back(step);
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
      if ((*step)->key.data() == nullptr) {
        path += '[' + std::to_string((*step)->index) + ']';
      } else {
        path.append(path.empty() ? "" : ".").append((*step)->key);
      }
    }
    Duplicate(path);
  }
  if (!r_.ok()) return false;
  *out = Json::Object(std::move(members));
  return true;
}

bool JsonTreeReader::Array(Json* out, const Place* place) {
  if (!r_.BeginArray()) return false;
  std::vector<Json> items;
  for (Place here{place, {}, 0}; r_.NextElement(); ++here.index) {
    Json item;
    if (!Value(&item, &here)) return false;
    items.push_back(std::move(item));
  }
  if (!r_.ok()) return false;
  *out = Json::Array(std::move(items));
  return true;
}

}  // namespace model

Result<Json> Json::Parse(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) return Status(Code::kBadRequest, "the document is too large");
  model::JsonReader reader(text, limits.max_depth);
  model::JsonTreeReader tree(reader, limits.max_nodes);
  Json value;
  if (tree.Read(&value)) reader.End();
  if (tree.too_many()) return Status(Code::kBadRequest, std::string(model::kTooManyValues));
  if (!reader.ok()) return Status(Code::kBadRequest, reader.error());
  return value;
}

Result<Json> Json::ParseYaml(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) return Status(Code::kBadRequest, "the document is too large");
  const Result<std::string> json = YamlToJson(text, limits.max_depth);
  if (!json) return json.status();
  return Parse(*json, limits);
}

Result<std::string> Json::ToYaml() const { return JsonToYaml(ToString()); }

}  // namespace minikube
