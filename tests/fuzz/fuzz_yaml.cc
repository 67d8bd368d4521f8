// YAML that is accepted becomes valid JSON, and writing that as YAML changes nothing.
#include "fuzz.h"

namespace minikube::fuzz {

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds = EncodedObjects(MediaType::kYaml);
  for (const char* text :
       {"a: &x [1, ~, 'q', \"\\x41\"]\nb: *x\nc: {<<: {d: e}}\n", "- |+\n  a\n\n- >-\n  b\n  c\n- ? k\n  : v\n",
        "%YAML 1.1\n---\n!!str 1\n...\n", "{a: [b, {c: }], ? d : e}", "0x1F: 0644\n2001-01-01: .5\n"}) {
    seeds.emplace_back(text);
  }
  return seeds;
}

}  // namespace minikube::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace minikube;
  using fuzz::Check;
  const Result<std::string> json = YamlToJson({reinterpret_cast<const char*>(data), size});
  if (!json.ok()) return 0;
  const Result<std::string> yaml = JsonToYaml(*json);
  Check(yaml.ok(), "the JSON is valid: " + yaml.status().message());
  const Result<std::string> again = YamlToJson(*yaml);
  Check(again.ok(), "what was written is read again: " + again.status().message());
  const Result<std::string> same = JsonToYaml(*again);
  Check(same.ok() && *same == *yaml, "it is the same document");
  return 0;
}
