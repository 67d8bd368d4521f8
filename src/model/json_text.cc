#include "model/json_text.h"

#include <cstddef>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "model/field_errors.h"
#include "model/json_reader.h"

namespace minikube {
namespace {

using Json = nlohmann::json;

// Checked on the text, before anything that recurses sees the document.
bool DeeperThan(std::string_view text, int max_depth) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > max_depth) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

// Follows the parser's events and notes members that an object has twice.
class DuplicateFinder {
 public:
  explicit DuplicateFinder(std::vector<std::string>& out) : out_(out) {}

  void On(Json::parse_event_t event, const Json& parsed) {
    switch (event) {
      case Json::parse_event_t::object_start:
        frames_.push_back({});
        break;
      case Json::parse_event_t::array_start:
        frames_.push_back({.is_array = true});
        break;
      case Json::parse_event_t::key: {
        Frame& frame = frames_.back();
        frame.key = parsed.get<std::string>();
        if (!frame.seen.insert(frame.key).second) out_.push_back(fmt::format("duplicate field {}", GoQuote(Path())));
        break;
      }
      case Json::parse_event_t::object_end:
      case Json::parse_event_t::array_end:
        frames_.pop_back();
        [[fallthrough]];
      case Json::parse_event_t::value:
        if (!frames_.empty() && frames_.back().is_array) ++frames_.back().index;
        break;
    }
  }

 private:
  struct Frame {
    bool is_array = false;
    std::size_t index = 0;
    std::string key;
    std::set<std::string> seen;
  };
  std::string Path() const {
    std::string path;
    for (const Frame& frame : frames_) {
      if (frame.is_array) {
        path += fmt::format("[{}]", frame.index);
      } else {
        path.append(path.empty() ? "" : ".").append(frame.key);
      }
    }
    return path;
  }
  std::vector<Frame> frames_;
  std::vector<std::string>& out_;
};

}  // namespace

Result<Json> ParseJson(std::string_view text, int max_depth, std::vector<std::string>* duplicates) {
  if (DeeperThan(text, max_depth)) {
    return Status(Code::kBadRequest, "exceeded max depth");
  }
  try {
    if (duplicates == nullptr) return Json::parse(text);
    DuplicateFinder finder(*duplicates);
    return Json::parse(text, [&](int, Json::parse_event_t event, Json& parsed) {
      finder.On(event, parsed);
      return true;
    });
  } catch (const Json::parse_error&) {
    model::JsonReader reader(text, max_depth);
    if (reader.Skip()) reader.End();
    return Status(Code::kBadRequest, reader.ok() ? "invalid JSON" : reader.error());
  } catch (const Json::exception&) {  // a number out of range
    return Status(Code::kBadRequest, "a number is out of range");
  }
}

std::string JsonText(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string GoValueText(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "<nil>";
    case Json::value_t::string:
      return value.get<std::string>();
    case Json::value_t::object: {
      std::string out = "map[";
      for (const auto& [key, member] : value.items()) {
        if (out.size() > 4) out += ' ';
        out.append(key).append(":").append(GoValueText(member));
      }
      return out + "]";
    }
    case Json::value_t::array: {
      std::string out = "[";
      for (const Json& item : value) {
        if (out.size() > 1) out += ' ';
        out += GoValueText(item);
      }
      return out + "]";
    }
    default:
      return JsonText(value);
  }
}

std::string_view GoTypeName(const Json& value) {
  switch (value.type()) {
    case Json::value_t::string:
      return "string";
    case Json::value_t::boolean:
      return "bool";
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      return "int64";
    case Json::value_t::number_float:
      return "float64";
    case Json::value_t::object:
      return "map[string]interface {}";
    case Json::value_t::array:
      return "[]interface {}";
    default:
      return "<nil>";
  }
}

}  // namespace minikube
