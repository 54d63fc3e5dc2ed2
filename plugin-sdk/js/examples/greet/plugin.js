import { plugin, publish, text } from "plugbus";

export default plugin({
  "chat.joined": ({ data }) => {
    publish("chat.said", `Welcome, ${data}!`);
    return text("greeted");
  },
});
