// Structured log lines go to the sink that the host gives; the library writes to no stream of its own.
//
// Thread safety: LogSink::Write is called from any thread and must synchronise itself. A Logger is a value that
// borrows its sink: the sink outlives every component it was given to.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace minikube {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError, kOff };

// One key=value of a line; `value` is borrowed for the call.
struct LogField {
  std::string_view key;
  std::string value;
};

class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual LogLevel level() const = 0;
  virtual void Write(LogLevel level, std::string_view component, std::string_view message,
                     std::initializer_list<LogField> fields) = 0;
};

// Drops everything.
LogSink& NullLogSink();

class Logger {
 public:
  Logger() : Logger(NullLogSink(), "") {}
  Logger(LogSink& sink, std::string component) : sink_(&sink), component_(std::move(component)) {}
  Logger Named(std::string component) const { return {*sink_, std::move(component)}; }

  bool enabled(LogLevel level) const { return level >= sink_->level(); }
  void Debug(std::string_view m, std::initializer_list<LogField> f = {}) const { Log(LogLevel::kDebug, m, f); }
  void Info(std::string_view m, std::initializer_list<LogField> f = {}) const { Log(LogLevel::kInfo, m, f); }
  void Warning(std::string_view m, std::initializer_list<LogField> f = {}) const { Log(LogLevel::kWarning, m, f); }
  void Error(std::string_view m, std::initializer_list<LogField> f = {}) const { Log(LogLevel::kError, m, f); }

 private:
  void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) const {
    if (enabled(level)) sink_->Write(level, component_, message, fields);
  }
  LogSink* sink_;
  std::string component_;
};

}  // namespace minikube
