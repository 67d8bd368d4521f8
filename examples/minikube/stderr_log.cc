#include "stderr_log.h"

#include <array>
#include <chrono>
#include <cstdio>
#include <string>

#include <fmt/format.h>

namespace minikube::example {

void StderrLog::Write(LogLevel level, std::string_view component, std::string_view message,
                      std::initializer_list<LogField> fields) {
  static constexpr std::array<std::string_view, 5> kNames = {"DEBUG", "INFO", "WARN", "ERROR", ""};
  const WallTime now = clock_.Now();
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count() % 1'000'000;
  std::string time = FormatTime(now);
  time.insert(time.size() - 1, fmt::format(".{:06}", micros));
  std::string line = fmt::format("{} {:5} {}: {}", time, kNames[static_cast<std::size_t>(level)], component, message);
  for (const LogField& field : fields) fmt::format_to(std::back_inserter(line), " {}={:?}", field.key, field.value);
  line += '\n';
  // One write per line: lines of several threads do not mix.
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace minikube::example
