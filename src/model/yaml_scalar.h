// What a plain YAML scalar means, as sigs.k8s.io/yaml (and so kubectl) resolves it: the YAML 1.1 rules, in which yes,
// no, on, off, y and n are booleans and 0644 is octal, but timestamps stay strings.
#pragma once

#include <string>
#include <string_view>

namespace minikube::model {

enum class YamlScalar {
  kString,
  kNull,
  kBool,
  kNumber,
  kTimestamp,  // read as a string, but quoted when written
  kNotFinite,  // .nan, .inf: no JSON
  kMerge,      // <<
};

// For kBool and kNumber, sets `*json` (may be null) to the JSON text.
YamlScalar ResolveYamlScalar(std::string_view text, std::string* json);

}  // namespace minikube::model
