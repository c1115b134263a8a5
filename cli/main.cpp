#include "cli/command.h"

int main(int argc, char** argv) { return a8w8::cli::run(argc, argv); }
