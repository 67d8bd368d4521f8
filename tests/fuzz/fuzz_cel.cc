// Whatever the text: it compiles or says why; what compiles is evaluated within its budget, the same way each time,
// and never costs more than was estimated.
#include <minikube/json.h>

#include "cel/program.h"
#include "fuzz.h"

namespace minikube::fuzz {

std::vector<std::string> Seeds() {
  return {"self.spec.replicas <= self.spec.max && has(self.spec.name)",
          "self.items.all(i, i.name.startsWith('a') || i.ports.exists(p, p > 1024))",
          "self.items.map(i, i.name).filter(n, n.size() > 2).join(',') == 'abc'",
          "timestamp('2023-01-01T00:00:00Z') + duration('1h2m3.5s') > timestamp(self.time)",
          "self.?a.?b[?0].orValue(3u) == 3u ? 'x' + 'y' : string(1.5e3)",
          "{'a': 1, ?'b': self.?b}.transformMap(k, v, v * 2)",
          "cel.bind(x, [1, 2, 3], x.sum() + x.max() - x.indexOf(2)) % 5 == 0",
          "'%s %d %.3f'.format(['a', 1, 2.5]).replace('a', 'b', 1).substring(0, 2)",
          "quantity('1.5Gi').add(quantity('1M')).compareTo(quantity('0')) > 0",
          "cidr('10.0.0.0/8').containsIP(ip('10.1.2.3')) && !isIP('x')",
          "semver('1.2.3-rc.1').isLessThan(semver('1.2.3')) && url('https://a:1/b?c=d').getPort() == '1'",
          "format.dns1123Label().validate(self.name).hasValue() || b'\\xff' == bytes('a')",
          "[[1, 2], [3]].flatten().sortBy(x, -x).distinct() != [1].slice(0, 1)",
          R"('''a'b''' + r"\d" + "é\u00e9\n" != '' && 'a1'.matches('[a-z][0-9]*'))"};
}

}  // namespace minikube::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace minikube;
  static const cel::Environment kEnvironment = [] {
    cel::EnvironmentOptions options;
    options.variables = {{"self", cel::types::Dyn()}};
    return cel::Environment(std::move(options));
  }();
  static const Json kSelf = Json::Parse(R"({"spec":{"replicas":1,"max":2.0,"name":"abc"},"name":"A","b":null,
      "time":"2020-01-01T00:00:00Z","items":[{"name":"abc","ports":[80,8080]},{"name":"a","ports":[]}],"a":{"b":[1]}})")
                                .value();
  const auto program = kEnvironment.Compile({reinterpret_cast<const char*>(data), size});
  if (!program.ok()) {
    fuzz::Check(!program.status().message().empty(), "what does not compile says why");
    return 0;
  }
  constexpr std::uint64_t kLimit = 10'000;
  const cel::Value self = cel::FromJson(kSelf);
  const cel::Outcome first = (*program)->Evaluate({&self, 1}, kLimit);
  const cel::Outcome again = (*program)->Evaluate({&self, 1}, kLimit);
  fuzz::Check(first.cost == again.cost && first.exhausted == again.exhausted, "an evaluation always costs the same");
  fuzz::Check(first.value.kind() == again.value.kind(), "it always comes to the same");
  fuzz::Check(first.cost <= (*program)->estimate().max, "it costs no more than was estimated");
  return 0;
}
