/** The completion script for fish: a line for each thing that can stand somewhere. */
import {
  type Offer,
  type OfferedOption,
  type OfferedVerb,
  shellText,
  valuedOptions,
} from "./offers.ts";

/** What is the same whatever verbs there are. What the command answers is offered as it is: fish quotes it. */
const FUNCTIONS = shellText(String.raw`
# Goes through the words before the cursor: the verb, its operands and its root.
function __taffrail_read
    set -l line (commandline -pc | string collect)
    test "$line" = "$__taffrail_line"; and return
    set -g __taffrail_line $line
    set -l tokens (commandline -opc)
    set -g __taffrail_verb $tokens[2]
    set -g __taffrail_operands
    set -g __taffrail_root ''
    set -g __taffrail_behind no
    set -l valued (__taffrail_valued $__taffrail_verb)
    set -l option ''
    for token in $tokens[3..]
        if test $__taffrail_behind = yes
            continue
        else if test -n "$option"; and not string match -qr '^-.' -- $token
            contains -- $option --root --from; and set __taffrail_root $token
            set option ''
            continue
        end
        set option ''
        switch $token
            case --
                set __taffrail_behind yes
            case '--root=*' '--from=*'
                set __taffrail_root (string replace -r '^[^=]*=' '' -- $token)
            case - ''
                set -a __taffrail_operands "$token"
            case '-*'
                contains -- $token $valued; and set option $token
            case '*'
                set -a __taffrail_operands $token
        end
    end
end

# Whether nothing but the command stands before the cursor.
function __taffrail_first
    test (count (commandline -opc)) -eq 1
end

# Whether options of a verb may stand here.
function __taffrail_of
    __taffrail_read
    test "$__taffrail_verb" = $argv[1] -a $__taffrail_behind = no
end

# Whether an operand of a verb may stand here, behind so many others; of a + any number.
function __taffrail_at
    __taffrail_of $argv[1]; or return
    test $argv[2] = +; or test (count $__taffrail_operands) -eq $argv[2]
end

# Whether a command stands here.
function __taffrail_command_of
    __taffrail_read
    test "$__taffrail_verb" = $argv[1] -a $__taffrail_behind = yes -a (count $__taffrail_operands) -eq 0
end

# Whether files stand here: what is behind -- otherwise.
function __taffrail_arguments
    __taffrail_read
    test $__taffrail_behind = yes; or return
    not contains -- "$__taffrail_verb" $argv; or test (count $__taffrail_operands) -gt 0
end

# Completes a command as if it stood alone.
function __taffrail_command
    complete -C (commandline -pc | string collect | string replace -r '^.*?\s--\s+' '')
end

# What was typed of a value so far.
function __taffrail_typed
    commandline -ct | string collect | string replace -r '^--[^=]*=' ''
end

# What the command says when it is asked.
function __taffrail_ask
    __taffrail_read
    set -l typed (__taffrail_typed | string replace -ra '^.*,|["\'\\\\]' '' | string collect)
    command taffrail completions --words $argv[1] -- \
        "$typed" "$__taffrail_root" "$__taffrail_operands[1]" </dev/null 2>/dev/null
end

# Puts what stands before the last comma before each name.
function __taffrail_list
    set -l given (__taffrail_typed | string replace -r '[^,]*$' '' | string collect)
    for name in $argv
        printf '%s%s\n' "$given" $name
    end
end
`);

/** The script. */
export function fishScript(verbs: readonly OfferedVerb[]): string {
  const commands = verbs.filter(({ takesCommand }) => takesCommand).map(({ name }) => name);
  const names = verbs.map(({ name, summary }) => {
    return line("__taffrail_first", `-a ${name} -d ${quoted(summary)}`);
  });
  return `${FUNCTIONS}

# The options of a verb that a value follows.
function __taffrail_valued
    switch $argv[1]
${verbs.map(valuedCase).join("\n")}
    end
end

complete -c taffrail -e
complete -c taffrail -f
${names.join("\n")}
${line("__taffrail_first", "-a help -d 'what a verb does'")}
${line("__taffrail_first", "-l help -d 'what all verbs do'")}
${line("__taffrail_first", "-l version -d 'which version this is'")}
${
    verbs.map(({ name, summary }) =>
      line("__taffrail_at help 0", `-a ${name} -d ${quoted(summary)}`)
    )
      .join("\n")
  }
${
    commands.map((name) => line(`__taffrail_command_of ${name}`, "-a '(__taffrail_command)'")).join(
      "\n",
    )
  }
${line(`__taffrail_arguments ${commands.join(" ")}`, "-F")}
${verbs.flatMap(linesOf).join("\n")}`;
}

/** What is offered where a condition holds. */
function line(condition: string, offer: string): string {
  return `complete -c taffrail -n ${quoted(condition)} ${offer}`;
}

function valuedCase({ name, options }: OfferedVerb): string {
  return `        case ${name}\n            printf '%s\\n' ${valuedOptions(options).join(" ")}`;
}

function linesOf({ name, options, operands, isOpen, takesCommand }: OfferedVerb): string[] {
  return [
    ...operands.flatMap(({ offers }, index) => {
      const place = isOpen && index === operands.length - 1 ? "+" : String(index);
      return offers.map((offer) => line(`__taffrail_at ${name} ${place}`, offered(offer)));
    }),
    ...(takesCommand
      ? [line(`__taffrail_at ${name} 0`, "-a -- -d 'what a command stands behind'")]
      : []),
    ...options.map((option) => line(`__taffrail_of ${name}`, optionOffer(option))),
  ];
}

function optionOffer({ name, letter, text, value, offers, isList }: OfferedOption): string {
  const short = letter === undefined ? "" : `-s ${letter} `;
  const given = value === undefined
    ? ""
    : offers.length === 0
    ? " -x"
    : ` -r ${offered(offers[0]!, isList)}`;
  return `${short}-l ${name}${given} -d ${quoted(text)}`;
}

function offered(offer: Offer, isList = false): string {
  if (offer === "directories") return "-f -a '(__fish_complete_directories)'";
  if ("endings" in offer) return "-F";
  const words = "words" in offer ? offer.words.join(" ") : `(__taffrail_ask ${offer.asked})`;
  const text = isList ? `(__taffrail_list ${words})` : words;
  return `-f -k -a ${quoted(text)}`;
}

/** Text in single quotes of fish, which keep nothing but two characters from being themselves. */
function quoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, "\\$&")}'`;
}
