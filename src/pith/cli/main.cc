#include "pith/cli/commands.h"

int main(int argc, char** argv) { return pith::run_program(argc, argv, nullptr); }
