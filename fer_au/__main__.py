"""``python -m fer_au``: the command ``fer-au`` where its script can't be started, as in a folder with blanks."""

from fer_au.cli.process import main

if __name__ == "__main__":
    main()
