// Json values out of a JsonReader: shared by Json::Parse and the decoder of whole objects.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/json.h>

#include "model/json_reader.h"

namespace minikube::model {

class JsonTreeReader {
 public:
  // Reads at most `max_nodes` values in all.
  JsonTreeReader(JsonReader& reader, std::size_t max_nodes) : r_(reader), nodes_left_(max_nodes) {}
  virtual ~JsonTreeReader() = default;

  // Consumes one value. False at an error of the reader, or when there are too many values: see too_many().
  bool Read(Json* out);
  bool too_many() const { return too_many_; }
  std::size_t nodes_left() const { return nodes_left_; }

 protected:
  // An object has the member at `path` (such as spec.ports[0].name) twice.
  virtual void Duplicate(const std::string& path);
  virtual bool WantsDuplicates() const { return false; }

 private:
  struct Place {
    const Place* parent;
    std::string_view key;
    std::size_t index;
  };
  bool Value(Json* out, const Place* place);
  bool Object(Json* out, const Place* place);
  bool Array(Json* out, const Place* place);

  JsonReader& r_;
  std::size_t nodes_left_;
  bool too_many_ = false;
};

// What is said about a text of too many values.
inline constexpr std::string_view kTooManyValues = "the document has too many values";

}  // namespace minikube::model
