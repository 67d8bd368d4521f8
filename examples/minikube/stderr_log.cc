#include "stderr_log.h"

#include <array>
#include <cstdio>
#include <string>

#include <fmt/format.h>

namespace minikube::example {

void StderrLog::Write(LogLevel level, std::string_view component, std::string_view message,
                      std::initializer_list<LogField> fields) {
  static constexpr std::array<std::string_view, 5> kNames = {"DEBUG", "INFO", "WARN", "ERROR", ""};
  std::string line = fmt::format("{} {:5} {}: {}", FormatTime(clock_.Now()), kNames[static_cast<std::size_t>(level)],
                                 component, message);
  for (const LogField& field : fields) fmt::format_to(std::back_inserter(line), " {}={:?}", field.key, field.value);
  line += '\n';
  // One write per line: lines of several threads do not mix.
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace minikube::example
