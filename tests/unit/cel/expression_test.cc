// Tables of expressions and what they come to.
#include <string>
#include <vector>

#include <minikube/api/core/v1.h>
#include <minikube/json.h>
#include <catch2/catch.hpp>

#include "cel/program.h"

namespace minikube::cel {
namespace {

// The result as JSON; "error: ..." for what fails when evaluated, "issue: ..." for what does not compile.
std::string Eval(std::string_view expression, const Json& self = Json::Object()) {
  EnvironmentOptions options;
  options.variables = {{"self", types::Dyn()}};
  const auto program = Environment(std::move(options)).Compile(expression);
  if (!program.ok()) return "issue: " + program.status().message();
  const Value value = FromJson(self);
  const Outcome outcome = (*program)->Evaluate({&value, 1});
  if (outcome.value.is_error()) return "error: " + std::string(outcome.value.text());
  if (outcome.value.is(Kind::kType)) return std::string(outcome.value.text());
  return ToJson(outcome.value).ToString();
}

struct Case {
  const char* expression;
  const char* result;
};

void CheckAll(std::initializer_list<Case> cases) {
  for (const Case& c : cases) {
    CAPTURE(c.expression);
    CHECK(Eval(c.expression) == c.result);
  }
}

TEST_CASE("literals", "[cel]") {
  CheckAll({{"1", "1"},
            {"-9223372036854775808", "-9223372036854775808"},
            {"0x1F", "31"},
            {"42u", "42"},
            {"1.5e3", "1500"},
            {".5", "0.5"},
            {"true", "true"},
            {"null", "null"},
            {R"("a\u00e9\n\x41\101")", R"("aé\nAA")"},
            {R"(r"\d")", R"("\\d")"},
            {"'''a\n'b '''", "\"a\\n'b \""},
            {R"(b"\xff")", R"("/w==")"},
            {"[1, 2][1]", "2"},
            {"{'a': [], 'b': [2]}.b", "[2]"},
            {"// a comment\n1", "1"}});
}

TEST_CASE("arithmetic tells of overflow and of division by zero", "[cel]") {
  CheckAll({{"1 + 2 * 3", "7"},
            {"(1 + 2) * 3", "9"},
            {"7 / 2", "3"},
            {"-7 % 2", "-1"},
            {"2 - -2", "4"},
            {"9223372036854775807 + 1", "error: integer overflow"},
            {"-9223372036854775808 / -1", "error: integer overflow"},
            {"1u - 2u", "error: unsigned integer overflow"},
            {"1 / 0", "error: division by zero"},
            {"1 % 0", "error: modulus by zero"},
            {"1.0 / 0.0 > 1e300", "true"},
            {"'a' + 'b'", "\"ab\""},
            {"[1] + [2]", "[1,2]"}});
}

TEST_CASE("comparison goes by value, whatever the kind of number", "[cel]") {
  CheckAll({{"1 < 2u", "true"},
            {"1.5 > 1", "true"},
            {"dyn(1) == dyn(1.0)", "true"},
            {"dyn(1) == dyn('1')", "false"},
            {"'a' < 'b'", "true"},
            {"[1, 2] == [1, 2]", "true"},
            {"{'a': 1} == {'a': dyn(1.0)}", "true"},
            {"dyn(double('NaN')) == dyn(double('NaN'))", "false"},
            {"2 in [1, 2]", "true"},
            {"'a' in {'a': null}", "true"}});
}

TEST_CASE("and, or and ?: absorb errors of the side that does not count", "[cel]") {
  CheckAll({{"true || 1 / 0 == 1", "true"},
            {"1 / 0 == 1 || true", "true"},
            {"false && 1 / 0 == 1", "false"},
            {"1 / 0 == 1 && false", "false"},
            {"1 / 0 == 1 || false", "error: division by zero"},
            {"true ? 1 : 1 / 0", "1"},
            {"false ? 1 / 0 : 2", "2"},
            {"self.missing == 1 || true", "true"},
            {"self.missing == 1", "error: no such key: missing"}});
}

TEST_CASE("macros", "[cel]") {
  CheckAll({{"[1, 2, 3].all(x, x > 0)", "true"},
            {"[1, 2, 3].exists(x, x == 2)", "true"},
            {"[1, 2, 2].exists_one(x, x == 2)", "false"},
            {"[1, 2, 3].map(x, x * 2)", "[2,4,6]"},
            {"[1, 2, 3].map(x, x > 1, x * 2)", "[4,6]"},
            {"[1, 2, 3].filter(x, x != 2)", "[1,3]"},
            {"{'a': 1, 'b': 2}.all(k, k < 'c')", "true"},
            {"[1, 0].exists(x, 1 / x == 1)", "true"},
            {"[0, 1].exists(x, 1 / x == 1)", "true"},
            {"[0].all(x, 1 / x == 1)", "error: division by zero"},
            {"[[1], [2]].map(x, x.map(y, y + 1))", "[[2],[3]]"},
            {"[5, 6].all(i, v, v == i + 5)", "true"},
            {"{'a': 1}.transformMap(k, v, v + 1)", R"({"a":2})"},
            {"['x', 'y'].transformMapEntry(i, v, {v: i})", R"({"x":0,"y":1})"},
            {"[1, 2].transformList(i, v, i + v)", "[1,3]"},
            {"cel.bind(x, 3, x * x)", "9"},
            {"has(self.a)", "false"},
            {"has({'a': 1}.a)", "true"},
            {"[3, 1, 2].sortBy(x, -x)", "[3,2,1]"}});
}

TEST_CASE("optional values", "[cel]") {
  CheckAll({{"self.?a.?b.orValue('none')", "\"none\""},
            {"optional.of(1).hasValue()", "true"},
            {"optional.none().hasValue()", "false"},
            {"{'a': 1}.?a.value()", "1"},
            {"{'a': 1}[?'b'].or(optional.of(2)).value()", "2"},
            {"[1][?3].hasValue()", "false"},
            {"[?optional.none(), ?optional.of(1)]", "[1]"},
            {"{?'a': optional.none(), 'b': 2}", R"({"b":2})"},
            {"optional.of(2).optMap(x, x + 1).value()", "3"},
            {"optional.none().value()", "error: optional.none() dereference"}});
}

TEST_CASE("strings are counted in characters", "[cel]") {
  CheckAll({{"size('héllo')", "5"},
            {"'héllo'.charAt(1)", "\"é\""},
            {"'héllo'.indexOf('l')", "2"},
            {"'héllo'.substring(1, 3)", "\"él\""},
            {"'a,b,c'.split(',')", R"(["a","b","c"])"},
            {"'a,b,c'.split(',', 2)", R"(["a","b,c"])"},
            {"'abc'.split('')", R"(["a","b","c"])"},
            {"['a', 'b'].join('-')", "\"a-b\""},
            {"'aXbX'.replace('X', '')", "\"ab\""},
            {"'aXbX'.replace('X', 'y', 1)", "\"aybX\""},
            {"' \\t x '.trim()", "\"x\""},
            {"'aBc'.upperAscii() + 'aBc'.lowerAscii()", "\"ABCabc\""},
            {"'foobar'.matches('o+b')", "true"},
            {"'a1b22'.findAll('[0-9]+')", R"(["1","22"])"},
            {"'a1b22'.find('[0-9]+')", "\"1\""},
            {"'%s is %d, %.2f %x'.format(['x', 5, 1.5, 255])", "\"x is 5, 1.50 ff\""},
            {"'abc'.substring(2, 1)", "error: invalid substring range. start: 2, end: 1"}});
}

TEST_CASE("conversions", "[cel]") {
  CheckAll({{"int('12') + int(1.9) + int(3u)", "16"},
            {"int('x')", "error: type conversion error from 'string' to 'int': x"},
            {"int(1e99)", "error: integer overflow"},
            {"uint(-1)", "error: unsigned integer overflow"},
            {"double('1.5')", "1.5"},
            {"string(1.5) + string(true) + string(b'x')", "\"1.5truex\""},
            {"bytes('a') == b'a'", "true"},
            {"type(1)", "int"},
            {"type([1]) == list", "true"},
            {"bool('true')", "true"}});
}

TEST_CASE("timestamps and durations", "[cel]") {
  CheckAll({{"timestamp('2023-02-28T23:00:00Z') + duration('1h') == timestamp('2023-03-01T00:00:00Z')", "true"},
            {"timestamp('2023-02-28T23:00:00Z').getMonth()", "1"},
            {"timestamp('2023-02-28T23:00:00Z').getDayOfWeek()", "2"},
            {"timestamp('2023-02-28T23:00:00Z').getHours('+02:30')", "1"},
            {"duration('1h30m').getMinutes()", "90"},
            {"string(duration('1h0.5s'))", "\"3600.5s\""},
            {"timestamp('2023-01-02T00:00:00Z') - timestamp('2023-01-01T00:00:00Z') == duration('24h')", "true"},
            {"string(timestamp('2023-01-02T03:04:05.670Z'))", "\"2023-01-02T03:04:05.67Z\""}});
  CHECK(Eval("timestamp('2023-02-30T00:00:00Z')").find("invalid timestamp argument") != std::string::npos);
}

TEST_CASE("the libraries of Kubernetes", "[cel]") {
  CheckAll({{"[1, 2, 3].isSorted() && [3, 1].max() == 3 && [1.5, 2.0].sum() == 3.5", "true"},
            {"['a', 'b'].indexOf('b')", "1"},
            {"[[1], [2, 3]].flatten()", "[1,2,3]"},
            {"[3, 1, 2].sort()", "[1,2,3]"},
            {"[1, 1, 2].distinct()", "[1,2]"},
            {"sets.contains([1, 2], [2])", "true"},
            {"lists.range(3) + lists.range(-1)", "[0,1,2]"},
            {"url('https://example.com:80/path?a=1&a=2').getQuery()", R"({"a":["1","2"]})"},
            {"url('https://[::1]:80/p').getHostname()", "\"::1\""},
            {"isURL('/absolute') && !isURL('../relative')", "true"},
            {"quantity('1.5Gi').isGreaterThan(quantity('1G'))", "true"},
            {"quantity('500m').add(quantity('500m')).asInteger()", "1"},
            {"quantity('50k').sub(20).compareTo(quantity('49980'))", "0"},
            {"isQuantity('1.x')", "false"},
            {"ip('fe80::1').isLinkLocalUnicast() && ip('10.0.0.1').family() == 4", "true"},
            {"cidr('10.0.0.0/8').containsIP('10.1.2.3') && !cidr('10.0.0.0/8').containsCIDR('11.0.0.0/9')", "true"},
            {"string(cidr('10.1.2.3/8').masked())", "\"10.0.0.0/8\""},
            {"ip.isCanonical('::0001')", "false"},
            {"format.dns1123Label().validate('A').hasValue()", "true"},
            {"format.named('uuid').value().validate('x').hasValue()", "true"},
            {"semver('1.2.3').isLessThan(semver('1.10.0-rc.1'))", "true"},
            {"semver('v1.2', true).minor()", "2"}});
}

TEST_CASE("what does not compile says where and why", "[cel]") {
  CHECK(Eval("1 +") ==
        "issue: ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' expecting expression\n"
        " | 1 +\n | ...^");
  CHECK(Eval("\n  foo.bar") ==
        "issue: ERROR: <input>:2:3: undeclared reference to 'foo' (in container '')\n"
        " |   foo.bar\n | ..^");
  const auto issue = [](std::string_view expression, std::string_view part) {
    CAPTURE(expression);
    const std::string got = Eval(expression);
    CHECK(got.starts_with("issue: "));
    CHECK(got.find(part) != std::string::npos);
  };
  issue("1 + 'a'", "found no matching overload for '_+_' applied to '(int, string)'");
  issue("'a'.foo()", "undeclared reference to 'foo'");
  issue("[1, 'a']", "expected type 'int' but found 'string'");
  issue("'a'.matches('(')", "invalid matches argument");
  issue("[1].all(1, true)", "argument must be a simple name");
  issue("has(1)", "invalid argument to has() macro");
  issue("for", "reserved identifier: for");
  issue("'abc", "token recognition error");
  issue("99999999999999999999", "invalid int literal");
  issue("\"\\ud800\"", "invalid escape sequence");
}

TEST_CASE("no expression is too long, too deep or too dear", "[cel]") {
  EnvironmentOptions options;
  options.limits.max_length = 10;
  CHECK(Environment(std::move(options)).Compile("1 + 1 + 1 + 1").status().message().find("exceeds limit") !=
        std::string::npos);
  const auto refused = [](const std::string& expression) {
    return Eval(expression).find("recursion limit") != std::string::npos;
  };
  CHECK(refused(std::string(5000, '(') + "1" + std::string(5000, ')')));
  CHECK(refused(std::string(5000, '[') + std::string(5000, ']')));
  std::string sum = "1";
  for (int i = 0; i < 5000; ++i) sum += "+1";
  CHECK(refused(sum));
  std::string nested = "1";
  for (int i = 0; i < 200; ++i) nested = "(" + nested + "+1+1+1)";
  CHECK(refused(nested));
  std::string chain = "self";
  for (int i = 0; i < 5000; ++i) chain += ".a";
  CHECK(refused(chain));
  // Many terms of && are one level.
  std::string all = "true";
  for (int i = 0; i < 5000; ++i) all += " && true";
  CHECK(Eval(all) == "true");
  CHECK(Eval("[1,2,3,4,5,6,7,8,9,10].map(a, [1,2,3,4,5,6,7,8,9,10].map(b, [1,2,3,4,5,6,7,8,9,10].map(c, "
             "[1,2,3,4,5,6,7,8,9,10].map(d, [1,2,3,4,5,6,7,8,9,10].map(e, e))))).size() == 0 || true") ==
        "error: operation cancelled: actual cost limit exceeded");
}

TEST_CASE("costs are those of cel-go", "[cel]") {
  struct CostCase {
    const char* expression;
    std::uint64_t cost;
  };
  const Json self = Json::Parse(R"({"a":{"b":"twelve chars"},"l":[1,2,3]})").value();
  for (const CostCase& c :
       {CostCase{"1 + 2", 1}, CostCase{"self.a.b", 3}, CostCase{"has(self.a)", 1}, CostCase{"[1, 2]", 0},
        CostCase{"{'a': 1}", 0}, CostCase{"[self.l[0]]", 13}, CostCase{"self.a.b == 'x'", 4},
        CostCase{"self.a.b.startsWith('twelve chars')", 5}, CostCase{"self.a.b.contains('ab')", 5},
        CostCase{"3 in self.l", 3}, CostCase{"2 in [1, 2]", 0}, CostCase{"self.l.exists(x, x == 2)", 18},
        CostCase{"self.l.exists_one(x, x == 2)", 12}, CostCase{"self.l.all(x, x > 0)", 18},
        CostCase{"self.l.map(x, x + 1)", 45}, CostCase{"self.l.filter(x, x > 1)", 35},
        CostCase{"true ? self.l : self.a", 1}}) {
    CAPTURE(c.expression);
    EnvironmentOptions options;
    options.variables = {{"self", types::Dyn()}};
    const auto program = Environment(std::move(options)).Compile(c.expression).value();
    const Value value = FromJson(self);
    const Outcome outcome = program->Evaluate({&value, 1});
    CHECK(outcome.cost == c.cost);
    CHECK(outcome.cost >= program->estimate().min);
    CHECK(outcome.cost <= program->estimate().max);
    // A limit one lower ends it.
    if (c.cost > 0) CHECK(program->Evaluate({&value, 1}, c.cost - 1).exhausted);
  }
}

TEST_CASE("more values than variables are an error", "[cel]") {
  EnvironmentOptions options;
  options.variables = {{"self", types::Dyn()}};
  const Environment env(std::move(options));
  const auto program = env.Compile("[1, 2].all(x, x > 0)").value();
  const std::vector<Value> values(64, Value::Bool(true));
  CHECK(program->Evaluate(values).value.is_error());
  CHECK_FALSE(program->Evaluate({values.data(), 1}).value.is_error());
}

TEST_CASE("a generated struct is what its JSON would be", "[cel]") {
  core::v1::Pod pod;
  pod.metadata.name = "web";
  pod.metadata.labels["app"] = "x";
  pod.metadata.creationTimestamp = Time{Instant::FromUnixMicros(0)};
  core::v1::Container container;
  container.name = "main";
  container.resources.limits["cpu"] = "500m";
  pod.spec.containers.push_back(container);
  const MessageDesc& desc = DescriptorOf<core::v1::Pod>();
  EnvironmentOptions options;
  options.variables = {{"object", TypeOfMessage(desc)}};
  const Environment env(std::move(options));
  const auto eval = [&](std::string_view expression) {
    const auto program = env.Compile(expression);
    if (!program.ok()) return program.status().message();
    const Value value = FromMessage(desc, &pod);
    const Outcome outcome = (*program)->Evaluate({&value, 1});
    return outcome.value.is_error() ? "error: " + std::string(outcome.value.text()) : ToJson(outcome.value).ToString();
  };
  CHECK(eval("object.metadata.name + object.kind + object.apiVersion") == "\"webPodv1\"");
  CHECK(eval("object.metadata.labels['app']") == "\"x\"");
  CHECK(eval("object.spec.containers.all(c, quantity(c.resources.limits['cpu']).isLessThan(quantity('1')))") == "true");
  CHECK(eval("timestamp(object.metadata.creationTimestamp).getFullYear()") == "1970");
  CHECK(eval("has(object.spec.nodeName)") == "false");
  CHECK(eval("object.spec.nodeName") == "error: no such key: nodeName");
  CHECK(eval("object.spec.nodeNam").find("undefined field 'nodeNam'") != std::string::npos);
}

}  // namespace
}  // namespace minikube::cel
